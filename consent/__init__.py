"""Who may be texted: contacts, lines, what was agreed, and the gate's decision. Imports no other app of ours."""
