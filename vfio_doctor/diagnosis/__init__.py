"""Find the rules, judge the facts, assemble the report."""
