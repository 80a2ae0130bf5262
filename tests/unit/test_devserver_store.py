"""The store of the embedded backend, without the server."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airflow_mirrordb.devserver.store import JobTimes, Store


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store()) as store:
        yield store


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    """When the block raises, neither its record nor its log row stays, and the next transaction works."""

    def fail_after_writing() -> None:
        with store.transaction():
            store.create("users", {})
            store.log("POST", "/api/users", 201, idempotency_key=None, replayed=False)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    with store.transaction():
        assert store.page("users") == []
        assert store.requests() == []


def test_numbers_are_given_once(store: Store) -> None:
    """The id of a deleted record is not given again, and one that a client took is passed over."""
    with store.transaction():
        store.create("users", {"id": "2"})
        first = store.create("users", {})
        third = store.create("users", {})
        store.delete(third)
        assert [first.id, third.id, store.create("users", {}).id] == ["1", "3", "4"]


def test_each_resource_counts_for_itself(store: Store) -> None:
    """The first record of every resource is number 1."""
    with store.transaction():
        assert [store.create(resource, {}).id for resource in ("users", "posts")] == ["1", "1"]


def test_a_taken_id_is_an_integrity_error(store: Store) -> None:
    """7 and "7" are the same id."""
    with store.transaction():
        store.create("users", {"id": 7})
        with pytest.raises(sqlite3.IntegrityError):
            store.create("users", {"id": "7"})


def test_deleting_a_record_deletes_its_descendants(store: Store) -> None:
    """Children and grandchildren go with a record; those of others stay."""
    with store.transaction():
        user = store.create("users", {})
        store.create("users", {})
        post = store.create("posts", {}, parent="users/1")
        store.create("posts", {}, parent="users/2")
        store.create("comments", {}, parent=f"posts/{post.id}")
        store.delete(user)
        assert [record.id for record in store.page("users")] == ["2"]
        assert [record.parent for record in store.page("posts")] == ["users/2"]
        assert store.page("comments") == []


def test_what_makes_a_job_of_a_record_goes_with_it(store: Store) -> None:
    """A record is a job at most once, and a new one under its id is none."""
    times = JobTimes(starts=1.5, ends=2.5)
    with store.transaction():
        job = store.create("reports", {"id": "1"}, parent="users/1")
        assert store.job_times(job) is None
        store.set_job_times(job, times)
        assert store.job_times(store.replace(job, {"id": "1", "state": "running"})) == times
        with pytest.raises(sqlite3.IntegrityError):
            store.set_job_times(job, times)
        store.delete(job)
        assert store.job_times(job) is None
        assert store.job_times(store.create("reports", {"id": "1"})) is None


def test_records_survive_closing_the_file(tmp_path: Path) -> None:
    """A file that is opened again holds the same records, and goes on counting."""
    path = tmp_path / "mirror.db"
    with closing(Store(path)) as store, store.transaction():
        written = store.create("users", {"name": "Ada"})
    with closing(Store(path)) as store, store.transaction():
        assert store.get("users", "1") == written
        assert store.create("users", {}).id == "2"


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """Opening another kind of file raises and leaves the file alone."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but longer than the header of one would be: " * 4)
    content = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError):
        Store(path)
    assert path.read_bytes() == content
