"""The part of an event log that lies on disk: closed segments in Parquet, with an index, readable with no runtime.

Nothing here imports pyarrow at module level: it takes 35 MB, which only who reads or writes an archive shall spend.
"""
