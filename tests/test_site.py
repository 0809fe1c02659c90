"""The check of the site finds what it is for."""

import check_site

PAGE = '<h1 id="top">Title</h1><a href="{to}">there</a><p>{said}</p><img src="a.png" alt="{alt}"><code>\\(x\\)</code>'


def found(tmp_path, to="#top", said="nothing", alt="a picture"):
    (tmp_path / "a.png").touch()
    (tmp_path / "other.html").write_text('<h2 id="here">Here</h2>')
    (tmp_path / "index.html").write_text(PAGE.format(to=to, said=said, alt=alt))
    return check_site.faults(tmp_path)


def test_a_sound_page_has_no_fault(tmp_path):
    assert found(tmp_path, to="other.html#here") == []


def test_each_fault_is_named(tmp_path):
    faults = {
        "leads nowhere": {"to": "absent.html"},
        "no such anchor": {"to": "other.html#gone"},
        "not rendered": {"said": r"\(\nu\) is raw"},
        "has no text": {"alt": ""},
        "fetched from elsewhere": {"to": "https://example.org/script.js"},
    }
    for said, page in faults.items():
        assert [said in fault for fault in found(tmp_path, **page)] == [True], said
