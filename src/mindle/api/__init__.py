"""The public calls, one verb a stage; a module here joins the rooms that a verb needs."""
