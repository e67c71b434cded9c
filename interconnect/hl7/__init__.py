"""HL7 v2 as text: segments, escapes, character sets, times, names of fields."""
