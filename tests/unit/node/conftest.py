import pytest

from support.rig import Rig


@pytest.fixture
def make(tmp_path):
    made = []

    def make(*cards, **settings):
        made.append(Rig(tmp_path, *cards, **settings))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
