"""Word counts to a WordPiece vocabulary, and how good it is.

config      VocabConfig: what the vocabulary shall be
counting    count_words, merge_counts: sentences to word counts
wordpiece   train: the reference trainer, written to be read
fast        train: the same vocabulary, quickly; the one that runs use
merging     PieceText: words as pieces, where a merge costs what it changes
pair_counts PairCounts: how often each pair of pieces occurs
report      measure_coverage: pieces per word, unknown words, missing characters
"""
