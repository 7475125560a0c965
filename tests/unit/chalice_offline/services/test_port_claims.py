"""Claims of ports between runtimes: who has one, until when, and what is left of it."""

from pathlib import Path

import pytest

from chalice_offline.services.port_claims import PortClaims


def test_port_of_another_runtime_cannot_be_claimed_until_it_gives_it_up(tmp_path: Path) -> None:
    ours, others = PortClaims(tmp_path), PortClaims(tmp_path)
    assert ours.claim(8_899, 2)
    assert not others.claim(8_899, 1)
    assert not others.claim(8_900, 1)
    ours.release()
    assert others.claim(8_899, 2)
    others.release()


def test_row_of_which_one_port_is_another_runtimes_leaves_the_others_of_it_free(tmp_path: Path) -> None:
    ours, others, third = PortClaims(tmp_path), PortClaims(tmp_path), PortClaims(tmp_path)
    assert ours.claim(8_900, 1)
    assert not others.claim(8_899, 2)
    assert third.claim(8_899, 1)
    for claims in (ours, others, third):
        claims.release()


def test_two_programs_of_one_runtime_do_not_share_a_port(tmp_path: Path) -> None:
    claims = PortClaims(tmp_path)
    assert claims.claim(8_899, 1)
    assert not claims.claim(8_899, 1)
    claims.release()


def test_claims_that_are_given_up_leave_nothing_behind(tmp_path: Path) -> None:
    claims = PortClaims(tmp_path)
    claims.claim(8_899, 2)
    claims.release()
    assert list(tmp_path.iterdir()) == []


def test_port_whose_claimant_was_killed_can_be_claimed_though_its_file_is_there(tmp_path: Path) -> None:
    left = PortClaims(tmp_path)
    left.claim(8_899, 1)
    (file,) = (path for folder in tmp_path.iterdir() for path in folder.iterdir())
    left.release()
    file.parent.mkdir()
    file.touch()
    claims = PortClaims(tmp_path)
    assert claims.claim(8_899, 1)
    claims.release()


def test_what_a_killed_runtime_left_goes_with_the_next_ones_claims_and_what_others_hold_stays(
    tmp_path: Path,
) -> None:
    ours, others = PortClaims(tmp_path), PortClaims(tmp_path)
    assert ours.claim(8_899, 1)
    assert others.claim(8_901, 1)
    (folder,) = tmp_path.iterdir()
    (folder / "8970").touch()
    ours.release()
    assert [path.name for path in folder.iterdir()] == ["8901"]
    assert not ours.claim(8_901, 1)
    others.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_link", [True, False])
def test_folder_that_is_not_ours_to_use_is_left_alone_and_nothing_is_claimed(
    tmp_path: Path, *, is_link: bool
) -> None:
    claims = PortClaims(tmp_path / "there")
    (tmp_path / "there").mkdir()
    claims.claim(8_899, 1)
    (folder,) = (tmp_path / "there").iterdir()
    claims.release()
    if is_link:
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.write_text("a file")
    assert PortClaims(tmp_path / "there").claim(8_899, 1)
    assert not (tmp_path / "elsewhere").exists() or list((tmp_path / "elsewhere").iterdir()) == []


def test_claims_of_another_kind_are_not_in_the_way_and_leave_nothing_behind(tmp_path: Path) -> None:
    ours, others = PortClaims(tmp_path), PortClaims(tmp_path, kind="tests")
    assert ours.claim(8_899, 1)
    assert others.claim(8_899, 1)
    ours.release()
    others.release()
    assert not list(tmp_path.iterdir())
