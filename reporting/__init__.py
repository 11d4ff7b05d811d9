"""What can be shown: snapshot, funnel, exports, dashboard. Reads consent and messaging, writes nothing of theirs."""
