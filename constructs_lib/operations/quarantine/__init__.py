"""What is in a quarantine bucket, and what an operator does with it: look, send again, discard.

The bucket holds what failed (`quarantine/` by our runtime, `aws/lambda/` by Lambda; what is only parked, `parked/`, is no
concern of this package). Nothing of it is ever changed, moved or deleted here. That a record is settled is written
beside it, under `settled/`:

* `settled/YYYY/MM/DD/<shard and position>.json` for each record sent again or discarded: by whom, when, why, and where it
  went. The name follows from the record alone, so two objects that hold the same record are settled together.
* `settled/objects/<key of the object>` for each object of Lambda whose records are all settled: it need not be read again.
* `settled/lease.json`: who is at work on this bucket now.

Written over, an object keeps its earlier versions: the bucket is versioned.
"""
