"""How good, how varied and how new generated texts are: numpy and the standard library on lists of symbols.

`sweep`, `verdict` and `picture` draw temperature curves and say who is ahead; `embedding` needs packages of its own.
docs/text_metrics.md has every measure's formula, source and traps.
"""
