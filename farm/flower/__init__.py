"""The tabs inside Flower: pages made from the record about pipelines, queues, machines, images. They decide nothing."""
