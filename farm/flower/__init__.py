"""The tabs inside Flower: pages about pipelines and queues, made from the record. They decide nothing."""
