"""File transfer by CFDP class 2 (CCSDS 727.0-B-5): a sans-IO engine, its journal, and `transfers`, which runs both."""
