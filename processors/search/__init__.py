"""Search: words out of a question, one score out of several, the sentence that fits best."""
