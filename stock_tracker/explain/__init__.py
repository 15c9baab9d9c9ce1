"""The evidence behind a number: the records that made it, down to the wire, and the rule that decided about each.

``core`` folds the records of a symbol again, with the very folds, and answers questions from what came of each, without I/O;
``sources`` reads Kafka's topics or a recording; ``run`` puts the two together.
"""
