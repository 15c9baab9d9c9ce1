from pipelines.core.readiness import STUCK_S, Loop, LoopReadiness


def test_a_pipeline_that_comes_round_is_ready() -> None:
    readiness = LoopReadiness("0")
    assert readiness.look([Loop("prices", ready=True, came_round_s=100.0)], 100.0 + STUCK_S) == ""


def test_one_that_does_not_come_round_is_named_and_nothing_of_it_changes_with_time() -> None:
    readiness = LoopReadiness("0")
    loops = [Loop("prices", ready=True, came_round_s=100.0), Loop("indices", ready=True, came_round_s=104.9)]
    said = readiness.look(loops, 100.1 + STUCK_S)
    assert said.startswith("prices: ")
    assert "commit" in said
    assert "indices" not in said
    assert readiness.look([loops[0]], 200.0) == said


def test_it_is_ready_again_when_it_has_come_round() -> None:
    readiness = LoopReadiness("0")
    assert readiness.look([Loop("prices", ready=True, came_round_s=100.0)], 120.0)
    assert readiness.look([Loop("prices", ready=True, came_round_s=120.1)], 120.2) == ""


def test_one_without_partitions_is_not_ready_whether_it_comes_round_or_not() -> None:
    readiness = LoopReadiness("2")
    for came_round_s in (0.0, 100.0):
        said = readiness.look([Loop("prices", ready=False, came_round_s=came_round_s)], 100.0)
        assert "waiting for partitions or recovering state" in said
        assert "PIPELINE_INSTANCE (2)" in said


def test_recovering_its_state_is_not_held_against_one_that_begins_to_fold() -> None:
    readiness = LoopReadiness("0")
    readiness.look([Loop("prices", ready=False, came_round_s=100.0)], 160.0)
    assert readiness.look([Loop("prices", ready=True, came_round_s=100.0)], 160.2) == ""
    assert readiness.look([Loop("prices", ready=True, came_round_s=100.0)], 160.1 + STUCK_S)
