"""How the shipped sentence table is fitted; needs the ``table`` dependency group, nothing at run time does."""
