"""How good, how varied and how new generated texts are: numpy and the standard library on lists of symbols.

Each module is a family of measures; `embedding` and `picture` import packages of extras when they are used.
docs/text_metrics.md has every measure's formula, source and traps.
"""
