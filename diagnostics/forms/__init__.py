"""Shapes of what is typed: `walk` beside a walk, `flows` by the authors of flows."""

from diagnostics.forms.walk import WORDS_LENGTH, FindForm, TailField, WordsForm

__all__ = ["WORDS_LENGTH", "FindForm", "TailField", "WordsForm"]
