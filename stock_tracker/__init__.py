"""The front door: the ``stock-tracker`` command, the local stack that it runs, and the verification of that stack."""
