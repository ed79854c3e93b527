"""Every fault that the product has to withstand: what it does then in one line, and the tests that hold it to that.

`docs/faults.md` is printed from this table. A row names tests as `folder/file::test`, or says why it comes `later`;
`lacks` says what of a row that has tests is not tested. `test_table.py` checks that each named test exists.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `tests` are below tests/."""

    id: str
    fault: str
    does: str
    tests: tuple[str, ...] = ()
    lacks: str = ""
    later: str = ""


ROWS = (
    Row(
        "F1",
        "the reconciler is killed at any moment",
        "Intent is on the audit branch before an effect; the next process asks the target what was done and goes on.",
        (
            "story/test_main_job.py::test_c08_the_proposer_goes_away_and_nothing_is_applied_twice",
            "story/test_gate.py::test_g20_a_plan_that_was_recorded_is_finished_after_its_clocks_and_a_crash",
            "story/test_loop.py::test_g18_a_crash_between_refusal_and_preview_leaves_a_ticket",
            "machine/test_rollout.py::test_after_a_crash_it_goes_on_where_an_unbroken_run_would_be",
        ),
    ),
    Row(
        "F2",
        "a child process (git) is killed",
        "The step is tried again; a stale lock is taken away only by who holds the folder's lock.",
        (
            "git/test_mirror.py::test_a_fetch_killed_anywhere_is_finished_by_the_next",
            "git/test_mirror.py::test_locks_of_the_dead_are_taken_away",
            "git/test_mirror.py::test_locks_are_left_alone_while_a_child_of_a_dead_parent_lives",
            "specs/test_nursery.py::test_a_killed_nursery_is_replaced",
        ),
    ),
    Row(
        "F3",
        "power loss, torn writes, a failing fsync",
        "Records are written beside and renamed; the anchor is the old or the new one; one that cannot be read stops "
        "everything.",
        (
            "git/test_audit_branch.py::test_appends_killed_anywhere_are_there_exactly_once_after_the_next_try",
            "git/test_audit_branch.py::test_a_killed_write_of_the_anchor_leaves_the_old_or_the_new_one",
            "git/test_audit_branch.py::test_an_anchor_that_cannot_be_read_stops_everything",
            "contracts/test_host_hooks.py::test_f22_after_a_power_cut_the_files_in_place_are_whole",
        ),
        lacks="images of a disk taken in the middle of a write, and fsync that fails",
    ),
    Row(
        "F4",
        "disk full, read-only or garbage caches",
        "Nothing new starts that cannot be recorded; what is not done is said and done when there is room; caches only "
        "cost time.",
        (
            "faults/test_disk.py::test_f04_a_full_disk_starts_nothing_and_goes_on_when_there_is_room",
            "faults/test_disk.py::test_f04_a_disk_that_is_full_after_an_effect_loses_no_record",
            "faults/test_disk.py::test_f04_a_cache_that_is_garbage_or_read_only_changes_no_result",
            "git/test_audit_branch.py::test_a_disk_that_says_no_is_unavailable",
            "specs/test_cache.py::test_a_place_that_cannot_hold_a_cache_is_silence",
        ),
    ),
    Row(
        "F5",
        "the Git remote is away",
        "Nothing new starts and nothing is pruned; what was recorded is finished, and said when the remote is back.",
        (
            "faults/test_git.py::test_f10_a_push_that_is_cut_off_is_there_once",
            "story/test_loop.py::test_g24_a_recorded_plan_is_finished_while_the_repository_is_away",
            "git/test_mirror.py::test_a_remote_that_is_away_changes_nothing",
            "git/test_audit_branch.py::test_while_the_remote_is_away_records_are_kept_and_pushed_first_and_in_order",
        ),
    ),
    Row(
        "F6",
        "the Git remote is slow, silent, cut off or answers garbage",
        "Every wait has an end; an answer that is not exact is none; refs move only to objects that are there and "
        "checked.",
        (
            "faults/test_fetch.py::test_f06_a_spoiled_answer_moves_no_ref",
            "git/test_poll.py::test_an_answer_that_is_not_exact_is_no_answer",
            "git/test_transport.py::test_a_child_that_does_not_end_is_ended_with_all_it_started",
            "git/test_transport.py::test_an_endless_answer_is_cut_off",
        ),
    ),
    Row(
        "F7",
        "the tracked branch is rewound, rewritten or replaced",
        "Nothing is applied or deleted, and everybody is told, until the branch is back.",
        (
            "story/test_main_job.py::test_t8_a_rewound_branch_stops_everything_and_deletes_nothing",
            "git/test_history.py::test_every_movement_of_a_ref_is_told_apart",
        ),
    ),
    Row(
        "F8",
        "the repository is emptied, its branch gone, or not to be found",
        "An error, and never a desired state of nothing: nothing is deleted.",
        (
            "faults/test_git.py::test_f08_what_is_gone_or_denied_is_never_read_as_nothing_wanted",
            "faults/test_git.py::test_f08_a_branch_that_vanished_deletes_nothing",
            "git/test_transport.py::test_a_remote_that_is_no_repository_is_unavailable_and_not_empty",
            "git/test_poll.py::test_an_emptied_repository_is_an_empty_answer_and_a_missing_one_is_none",
        ),
    ),
    Row(
        "F9",
        "the local mirror is damaged",
        "It is found damaged, cloned again beside, and switched by one rename; nothing wrong is ever read from it.",
        (
            "git/test_mirror.py::test_a_damaged_mirror_is_never_read_wrongly_and_heals",
            "git/test_mirror.py::test_a_mirror_of_garbage_is_replaced_at_once",
            "git/test_audit_branch.py::test_a_deleted_mirror_loses_nothing",
        ),
    ),
    Row(
        "F10",
        "a record's push is refused, raced or cut off",
        "It is made again on the new tip; each record is there once and in order; without records nothing starts.",
        (
            "faults/test_git.py::test_f10_a_push_that_is_cut_off_is_there_once",
            "git/test_audit_branch.py::test_two_writers_at_once_lose_nothing_and_make_one_chain",
            "git/test_audit_branch.py::test_races_without_end_are_given_up",
            "forges/embedded/test_races.py::test_f10_two_writers_lose_nothing",
        ),
    ),
    Row(
        "F11",
        "a forge asks us to slow down (429)",
        "Nobody is asked sooner than they said (10 min at most); the others go on; what was recorded is finished.",
        (
            "git/test_poll.py::test_a_busy_server_says_when_to_come_back",
            "app/test_patience.py::test_f11_who_asked_for_peace_is_left_alone_and_the_others_go_on",
            "app/test_patience.py::test_f11_no_answer_puts_us_to_sleep_for_long",
            "forges/test_sending.py::test_f11_nothing_is_sent_while_the_forge_wants_peace",
        ),
    ),
    Row(
        "F12",
        "an answer is lost after the write happened",
        "We look before we write again: one comment, one record, the right status.",
        (
            "faults/test_git.py::test_f12_where_every_other_answer_is_lost_nothing_is_said_or_done_twice",
            "contracts/test_forge_writer.py::test_f12_a_comment_whose_answer_was_lost_is_there_once",
            "contracts/test_forge_writer.py::test_f12_a_status_whose_answer_was_lost_is_right",
            "contracts/test_forge_writer.py::test_f12_a_proposal_whose_answer_was_lost_is_there_once",
            "forges/embedded/test_races.py::test_f12_a_merge_whose_answer_was_lost_is_a_merge",
        ),
    ),
    Row(
        "F13",
        "stale or inconsistent answers of a forge",
        "A list is read until two readings agree; what contradicts itself is no answer; whoever judges reads anew.",
        (
            "forges/test_sending.py::test_f13_a_list_whose_pages_shift_is_read_again_until_it_stands_still",
            "forges/test_sending.py::test_f13_a_list_that_never_stands_still_is_no_list",
            "forges/github/test_lies.py::test_t5_no_word_that_contradicts_the_others_is_believed",
            "forges/gitlab/test_lies.py::test_t5_a_merge_that_does_not_fit_together_is_not_believed",
            "story/test_gitea.py::test_a_review_that_was_deleted_unseen_does_not_count_when_it_is_merged",
        ),
    ),
    Row(
        "F14",
        "webhooks are lost, doubled or out of order",
        "A hook only asks for a look, once for many; polling alone gives the same result.",
        (
            "web/test_serving.py::test_a_hook_causes_a_look_and_sigterm_ends_it_well",
            "web/test_serving.py::test_a_thousand_hooks_are_few_rings",
            "web/test_door.py::test_a_hook_of_our_forge_asks_for_a_look_and_its_replay_does_not",
            "web/test_serving.py::test_without_a_secret_it_says_so_and_listens_for_no_hook",
        ),
    ),
    Row(
        "F15",
        "a token ends or is withdrawn in the middle",
        "Where another secret can take its place without a commit (`file`, `env`), the rollout waits and goes on. "
        "One that is sealed in Git ends this attempt: failed, never success, and frozen until a person says `retry`, "
        "over the Credential that was accepted since. Before the apply it is waited for: the approval stands.",
        (
            "faults/test_refusals.py::test_g11_a_look_that_is_refused_while_it_lands_is_waited_for",
            "faults/test_refusals.py::test_f15_a_rollout_waits_for_a_credential_that_is_replaced_in_place",
            "faults/test_refusals.py::test_f15_a_token_that_ends_in_the_middle_is_never_a_success",
            "story/test_real_credentials.py::test_f15_an_account_that_ends_is_waited_for_and_its_successor_finishes",
            "story/test_real_credentials.py::test_f15_a_sealed_credential_that_ends_is_followed_by_the_accepted_one",
            "forges/test_sending.py::test_f15_a_refused_token_is_renewed_and_the_request_sent_once_more",
        ),
    ),
    Row(
        "F16",
        "the API server goes away in the middle",
        "The rollout waits where it is, its status says so, and goes on by itself; away is no reason to go back.",
        (
            "faults/test_cluster.py::test_f16_a_server_that_goes_away_at_any_request_is_waited_for",
            "story/test_loop.py::test_f16_a_return_waits_for_a_cluster_that_is_away",
            "kube/test_windows.py::test_f16_a_server_that_comes_back_is_resumed",
            "story/test_gate.py::test_c11_an_unreachable_cluster_waits_and_is_not_read_as_empty",
            "story/test_real_outages.py::test_f16_a_rollout_is_finished_once_after_its_server_died",
            "story/test_real_node_outages.py::test_f16_a_canary_goes_on_after_its_api_server_died_and_stood_still",
        ),
    ),
    Row(
        "F17",
        "conflicts, foreign owners, admission that says no, immutable fields",
        "A finding with its owner in the preview; a value of somebody else is never forced.",
        (
            "contracts/test_kube_api_changes.py::test_another_managers_value_is_never_forced",
            "contracts/test_kube_api_changes.py::test_what_somebody_else_owns_is_not_applied_to",
            "kube/test_real_cluster.py::test_admission_that_denies_is_seen_before_anything_is_applied",
            "story/test_real_admission.py::test_a_webhook_that_does_not_answer_is_waited_for",
            "kube/test_client.py::test_a_conflict_names_manager_and_field",
            "faults/test_sweep.py::test_f17_an_answer_that_is_no_yes_is_never_a_false_success_and_one_word_finishes",
        ),
    ),
    Row(
        "F18",
        "a write to the cluster happened and its answer is lost",
        "We look again before we act: each object changes once.",
        (
            "faults/test_cluster.py::test_f18_a_write_that_is_cut_off_is_done_once",
            "kube/test_windows.py::test_f18_an_apply_whose_answer_was_lost_is_resumed_without_a_second_object",
            "kube/test_client.py::test_f18_only_what_has_no_effect_is_sent_twice",
        ),
    ),
    Row(
        "F19",
        "a kind or namespace is not served yet, or 503",
        "It is waited for; what is there in part is no success.",
        (
            "contracts/test_kube_api_changes.py::test_an_object_of_a_kind_that_is_not_served_yet_is_for_later",
            "contracts/test_kube_api.py::test_a_namespace_that_nobody_creates_is_a_failure",
            "faults/test_refusals.py::test_f19_a_busy_server_is_waited_for",
        ),
    ),
    Row(
        "F20",
        "SSH is cut in the middle of a hook or a delivery",
        "The host runs an operation once and keeps its result; we come back and read it. Where nobody can know, a "
        "person is asked.",
        (
            "contracts/test_host_hooks.py::test_f20_a_hook_runs_once_under_cut_connections",
            "contracts/test_host_api.py::test_f20_a_cut_delivery_leaves_the_old_files_and_goes_on",
            "contracts/test_host_hooks.py::test_f20_an_interrupted_hook_that_is_not_retryable_is_left_to_a_person",
            "contracts/test_host_api.py::test_f20_a_silent_partition_is_noticed_and_the_run_found_again",
        ),
    ),
    Row(
        "F21",
        "hosts unreachable, full or slow at the door",
        "Some tries, an end to every wait, and a word for that host; others go on.",
        (
            "ssh/test_session.py::test_f21_a_full_sshd_is_tried_again",
            "ssh/test_session.py::test_f21_a_tarpit_is_left_in_time",
            "ssh/test_session.py::test_f21_what_does_not_speak_ssh_is_unavailable_after_some_tries",
            "report/test_preview.py::test_g10_an_unreachable_environment_waits_with_its_key_while_the_others_go_on",
        ),
    ),
    Row(
        "F22",
        "a host reboots in the middle",
        "Files in place are whole; an interrupted hook is run again only where its bundle says that it may be.",
        (
            "contracts/test_host_hooks.py::test_f22_after_a_power_cut_the_files_in_place_are_whole",
            "contracts/test_host_hooks.py::test_f20_an_interrupted_hook_that_is_retryable_is_run_again",
        ),
    ),
    Row(
        "F23",
        "a host's disk is full",
        "The delivery is refused, and what ran goes on running.",
        ("contracts/test_host_api.py::test_f23_a_full_disk_refuses_and_keeps_what_ran",),
    ),
    Row(
        "F24",
        "a bundle is cut, flipped or swapped",
        "Refused before a host is contacted; what was damaged on the way is sent again.",
        (
            "bundle/test_verify.py::test_t34_any_change_of_any_byte_is_refused",
            "contracts/test_host_api.py::test_f24_what_was_damaged_on_the_host_is_sent_again",
            "contracts/test_host_api.py::test_f24_the_host_names_no_content_that_is_not_what_was_announced",
            "contracts/test_host_api.py::test_t34_a_file_swapped_after_it_was_verified_is_not_delivered",
        ),
    ),
    Row(
        "F25",
        "Docker restarts, or Compose stops half-way",
        "A release from Compose is named in the preview as not supported.",
        later="Compose releases are not rendered or applied yet; hooks of a bundle are F20",
    ),
    Row(
        "F26",
        "some hosts of several fail",
        "A step that fails anywhere stops the plan; the environment is not installed, and each host's steps are shown.",
        ("story/test_acceptance.py::test_c12_a_failed_step_names_its_error_key_and_the_environment_is_not_installed",),
        lacks="every subset of eight hosts",
    ),
    Row(
        "F27",
        "going back fails, too",
        "Said as `rollback_failed`, frozen, and left to a person.",
        (
            "faults/test_refusals.py::test_f27_a_return_that_is_refused_is_a_failure_and_frozen",
            "machine/test_rollout.py::test_no_row_goes_from_a_failure_to_success",
        ),
        lacks="bundles of an older version that are gone from the host",
    ),
    Row(
        "F28",
        "two reconcilers, one of them asleep",
        "Records are appended by compare-and-swap, and every target refuses an older generation.",
        (
            "story/test_orders.py::test_two_reconcilers_carry_an_order_out_once",
            "kube/test_windows.py::test_g25_two_plans_that_begin_at_once_have_one_winner",
            "app/test_fencing.py::test_g25_who_stood_still_between_two_writes_writes_nothing_after_the_way_back",
            "contracts/test_host_api.py::test_an_older_generation_is_refused_everywhere",
            "git/test_audit_branch.py::test_a_guarded_append_is_refused_where_somebody_wrote",
            "faults/test_overlap.py::test_g25_of_two_reconcilers_the_slow_one_undoes_nothing_and_says_nothing_wrong",
        ),
        lacks="a creation that was on its way when another one took over (but a canary's): the next plan shows it",
    ),
    Row(
        "F29",
        "a slow worker holds an old plan",
        "It never lands after a newer one.",
        (
            "kube/test_windows.py::test_g25_a_newer_plan_between_our_read_and_our_write_wins",
            "kube/test_windows.py::test_g25_a_deletion_does_not_hit_what_a_newer_plan_wrote",
            "contracts/test_kube_api_changes.py::test_g25_an_older_plan_does_not_write_over_a_newer_one",
        ),
    ),
    Row(
        "F30",
        "the clock is wrong or steps",
        "What runs is finished; a merge that is judged meanwhile counts no approval and is held for a person. Order "
        "comes from the chain, not from times; what was recorded ahead of time moves no later time.",
        (
            "faults/test_clock_ahead.py::test_f30_after_our_clock_jumped_ahead_people_can_still_approve",
            "faults/test_clock_ahead.py::test_f30_what_was_previewed_or_approved_ahead_of_time_is_applied_after_it",
            "faults/test_machine.py::test_f30_what_is_judged_under_a_wrong_clock_is_held_for_a_person",
            "faults/test_machine.py::test_f30_what_runs_is_finished_under_a_clock_that_stepped_back",
            "forges/embedded/test_fold.py::test_whatever_clocks_say_the_order_of_the_log_is_the_order_of_time",
        ),
        lacks="a forge with a clock of its own, on which we posted a preview while our clock was ahead",
    ),
    Row(
        "F31",
        "merge, revert and merge again while something is applied",
        "In merge order; what the branch does not want any more is overtaken and said so.",
        (
            "story/test_superseded.py::test_g8_what_was_reverted_on_the_branch_is_not_applied_by_a_late_approval",
            "story/test_superseded.py::test_g8_a_held_commit_does_not_follow_a_newer_plan",
            "story/test_orders.py::test_g8_an_old_plan_is_not_tried_again_after_a_newer_one_took_a_part_of_it",
        ),
    ),
    Row(
        "F32",
        "memory and descriptors run out slowly",
        "A look leaves nothing open; specs are read in children with limits.",
        (
            "faults/test_machine.py::test_f32_looks_leave_no_descriptor_behind",
            "specs/test_nursery.py::test_a_forked_child_is_limited",
        ),
        lacks="a soak of 10 000 looks",
    ),
    Row(
        "F33",
        "a spec that crashes its reader",
        "It is read in a child; the file is a problem of its own and its neighbours are read.",
        (
            "specs/test_reader.py::test_one_bad_file_leaves_its_neighbours_alone",
            "specs/test_nursery.py::test_after_a_crash_the_next_child_comes_from_a_new_origin",
        ),
    ),
    Row(
        "F34",
        "an upgrade or downgrade in the middle of a rollout",
        "A record that this version does not know is refused and never guessed at.",
        ("machine/test_ledger.py::test_an_entry_of_tomorrow_is_no_entry_of_today",),
        lacks="two released versions that take turns: there is one so far",
    ),
    Row(
        "F35",
        "somebody changes a target by hand",
        "Before the apply: stopped with what was seen. Later: told with owner and field, and put back by name where the"
        " approved preview said so.",
        (
            "story/test_main_job.py::test_c03_what_changed_after_the_preview_is_preview_mismatch",
            "story/test_gate.py::test_g22_hand_made_drift_is_told_and_nothing_is_changed",
            "contracts/test_kube_api.py::test_drift_of_our_own_field_is_seen",
            "story/test_healing.py::test_g22_drift_is_put_right_under_a_generation_of_its_own",
        ),
    ),
    Row(
        "F36",
        "no descriptors left",
        "What could not be done is said, nothing is half done, and it goes on by itself.",
        ("faults/test_machine.py::test_f36_without_descriptors_nothing_is_half_done",),
        lacks="processes, threads and memory",
    ),
    Row(
        "F37",
        "TLS: another authority, another name",
        "Refused, and the token is not sent.",
        (
            "kube/test_client.py::test_f37_another_ca_is_not_trusted_and_gets_no_token",
            "kube/test_client.py::test_f37_a_certificate_for_another_name_is_not_trusted",
        ),
    ),
    Row(
        "F38",
        "two of these at once",
        "The same: waiting, then once, then said.",
        ("faults/test_git.py::test_f38_the_cluster_and_git_fail_in_one_release",),
        lacks="all pairs",
    ),
)
