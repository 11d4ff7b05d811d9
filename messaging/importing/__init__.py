"""Consents, opt-outs and numbers not to contact from a file (PRODUCT "Capture channels").

``sheets`` reads files row by row, ``plan`` says what their columns mean, ``rows`` reads one row; these are pure.
``kept`` keeps the file, ``chunks`` judges and writes some rows, ``batches`` drives a batch from the upload to its end,
``refused`` gives back the rows that were refused.
"""
