"""Fair turns between users."""

from hypothesis import given
from hypothesis import strategies as st

from finetune_kit.localapi.turns import Turns


def jobs(owners):
    return [{"owner": owner, "seq": seq} for seq, owner in enumerate(owners)]


def served_one_by_one(owners):
    turns, waiting, order = Turns(), jobs(owners), ""
    while waiting:
        (job,) = turns.next(waiting, at_work=[], places=1)
        waiting.remove(job)
        order += job["owner"]
    return order


def test_users_alternate_whoever_came_first():
    assert served_one_by_one("AAAB") == "ABAA"
    assert served_one_by_one("AAABBC") == "ABCABA"


def test_who_has_a_job_at_work_comes_after_who_has_none():
    at_work = jobs("A")
    chosen = Turns().next(jobs("AAB"), at_work, places=2)
    assert [job["owner"] for job in chosen] == ["B", "A"]


def test_no_place_no_turn():
    assert Turns().next(jobs("AB"), [], places=0) == []
    assert Turns().next(jobs("AB"), [], places=-1) == []


@given(owners=st.text(alphabet="ABC", max_size=12))
def test_everybody_is_served_once_and_in_the_order_of_their_own_jobs(owners):
    chosen = Turns().next(jobs(owners), [], places=99)
    assert sorted(job["seq"] for job in chosen) == list(range(len(owners)))
    for owner in "ABC":
        own = [job["seq"] for job in chosen if job["owner"] == owner]
        assert own == sorted(own)


def test_of_each_user_no_more_jobs_run_than_allowed():
    chosen = Turns().next(jobs("AAABB"), [], places=9, each=1)
    assert [job["owner"] for job in chosen] == ["A", "B"]
    assert Turns().next(jobs("AA"), jobs("A"), places=9, each=1) == []


@given(owners=st.text(alphabet="ABC", max_size=8))
def test_the_line_is_the_order_in_which_jobs_are_served(owners):
    turns, waiting = Turns(), jobs(owners)
    line = turns.line(waiting, [])
    assert turns.line(waiting, []) == line  # looking changes nothing
    served = [turns.next(line[i:], [], 1)[0] for i in range(len(line))]
    assert served == line
