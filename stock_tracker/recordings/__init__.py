"""Topics into files, and files onto topics: ``stock-tracker record`` and ``replay``. ``core`` says when what is due."""
