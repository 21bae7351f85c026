"""`farm import`, and what it writes runs: on the real engine, by `farm run`."""

from tests.integration.local.conftest import Here

GITLAB = """\
default:
  image: "BUSYBOX"
variables:
  WORD: hello
  WHO: $WORD world
check:
  services:
    - name: "BUSYBOX"
      alias: db
      command: [nc, -ll, -p, "5432", -e, cat]
  before_script:
    - for i in 1 2 3 4 5 6 7 8 9; do nc -w 1 db 5432 < /dev/null && break || sleep 0.2; done
  script:
    - test "$WHO" = "hello world"
    - test "$(cat $CI_PROJECT_DIR/word.txt)" = here
    - exit 4
  after_script:
    - echo "after in $CI_COMMIT_BRANCH"
    - false
shards:
  parallel: 2
  script: echo shard $CI_NODE_INDEX of $CI_NODE_TOTAL
  cache: {paths: [x]}
"""


def test_what_is_imported_runs_as_it_did(here: Here) -> None:
    here.commit(**{"word.txt": "here", ".gitlab-ci.yml": GITLAB.replace("BUSYBOX", here.busybox)})
    ran = here("import", ".gitlab-ci.yml", "-o", ".farm.yml")
    assert ran.code == 0, ran.err
    assert ".gitlab-ci.yml:23: shards: cache is left out" in ran.err
    assert ".farm.yml: 3 things to know, above; try it: farm run --dirty\n" in ran.err
    tried = here("--dirty")
    assert tried.code == 1
    assert "check | after in main\n" in tried.out
    assert "script ended with exit code 4" in tried.out
    assert "shards.2 | shard 2 of 2\n" in tried.out


def test_it_writes_over_nothing_unless_told(here: Here) -> None:
    here.write({"ci.yml": "t: {image: a, script: b}", "out.yml": "mine"})
    refused = here("import", "ci.yml", "-o", "out.yml")
    assert refused.code == 2
    assert "out.yml is there already; --force writes over it" in refused.err
    assert here("import", "ci.yml", "-o", "out.yml", "--force").code == 0
    assert "script: b" in (here.folder / "out.yml").read_text()


def test_what_it_cannot_read(here: Here) -> None:
    assert "nothing.yml cannot be read: no such file or directory" in here("import", "nothing.yml").err
    here.write({"broken.yml": "a: ["})
    broken = here("import", "broken.yml")
    assert broken.code == 2
    assert "broken.yml:1:5: this is no YAML" in broken.err


def test_what_is_not_valid_is_printed_and_told(here: Here) -> None:
    here.write({"ci.yml": "a: {image: x, script: y, needs: [b]}\nb: {image: x, script: y, needs: [a]}\n"})
    ran = here("import", "ci.yml")
    assert ran.code == 1
    assert "mend by hand: .farm.yml:" in ran.err
    assert "these jobs wait for each other" in ran.err


def test_what_is_included_is_read_from_the_repository_alone(here: Here) -> None:
    here.write({"ci.yml": "include: [more/*.yml, ../secret.yml]\n", "more/a.yml": "a: {image: x, script: included}\n"})
    (here.folder.parent / "secret.yml").write_text("b: {image: x, script: secret}\n")
    ran = here("import", "ci.yml")
    assert ran.code == 0
    assert "script: included" in ran.out
    assert "secret" not in ran.out
    assert "ci.yml:1: include: local ../secret.yml is not read: it is not there" in ran.err


def test_the_default_branch_is_what_is_said_or_what_the_clone_knows(here: Here) -> None:
    rule = "rules: [{if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH}]"
    here.commit(**{"ci.yml": f"t: {{image: a, script: b, {rule}}}"})
    guessed = here("import", "ci.yml")
    assert "branches: main" in guessed.out
    assert "the default branch is taken for main; --default-branch says another" in guessed.err
    here.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    known = here("import", "ci.yml")
    assert "branches: trunk" in known.out
    assert "default branch" not in known.err
    assert "branches: next" in here("import", "ci.yml", "--default-branch", "next").out
