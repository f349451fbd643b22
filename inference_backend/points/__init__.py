"""Point clouds: readers (LAS, LAZ, COPC, EPT, VPC), preprocessing and writers."""
