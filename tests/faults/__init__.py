"""What Optline must survive, played on the running engine: web, workers and beat as processes on PostgreSQL and Redis.

`make faults` plays a short form of each in a few minutes, FAULTS_SCALE=long a long one, FAULTS_TIMES=5 either of them
five times in a row. Each ends by comparing the simulator's own log with the database (comparison.py) and prints one
line of figures. The same rules in one process, in seconds, are among the ordinary tests:

| fault | here | among the ordinary tests (tests/messaging) |
|---|---|---|
| workers killed while they send | test_killed_workers | test_outbound, test_look_up, test_unknown_fate |
| STOP against texts on their way | test_stop_against_sends | test_races on PostgreSQL, test_never on both |
| STOP behind a long backlog | test_stop_behind_a_backlog | test_blocked_queues |
| Redis killed, emptied | test_redis_lost | test_bell, test_two_beats |
| PostgreSQL crashes | test_postgresql_restarted | test_inbound (all or nothing; what can't be stored) |
| the provider fails, hangs, is busy | test_provider_fails | test_outbound, test_look_up; tests/simulator/test_faults |
| webhooks repeated and shuffled | test_repeated_and_shuffled | test_inbound, test_time_rule, test_races on PostgreSQL |
| webhooks that never come | test_lost_webhooks | test_reconcile; tests/simulator/test_lost_and_found |
| clocks step and change | test_clocks | test_host_clocks, test_quiet_hours; tests/consent/test_quiet_hours |
| no room in the database | test_no_room | test_no_room (SQLite refuses for real) |
| everything restarted in turn | test_restarts | test_ending |
"""
