"""The server: what it answers, what it refuses, and that nothing makes it fail."""

import base64
import gc
import json
import random
import warnings

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.models.build import build_model
from mmkeras.serving.server.limits import Limits

with warnings.catch_warnings():
    # Its client's own library is about to change.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from mmkeras.serving.server.app import make_app

pytestmark = [
    pytest.mark.filterwarnings("ignore:The model does not take some cells"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette.*"),
]
LIMITS = Limits(body_bytes=200_000, rows=8, pixels=10_000, wait=0.002)


@pytest.fixture(scope="module")
def served(shared_table):
    """A client of a server, the rows that it is asked about, and a pipeline of these rows."""
    frame, schema = shared_table
    table = read_table(frame, schema)
    settings = {"picture": ImageSettings(size=(8, 8))}
    preprocessing = fit_preprocessing(table, schema, settings, presence=True)
    keras.utils.set_random_seed(0)
    model = build_model(
        schema, preprocessing.inputs, num_outputs=2, presence=True, fusion="gmu", hidden=(4,)
    )
    pipeline = Pipeline(table, preprocessing)
    expected = model.predict(pipeline.evaluate(), verbose=0)
    app = make_app(model, preprocessing, "small", LIMITS)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client, frame, expected


def as_json(row):
    picture = base64.b64encode(encode_png(row["picture"])).decode()
    return {
        "picture": picture,
        "note": row["note"],
        "warmth": float(row["warmth"]),
        "place": row["place"],
    }


def test_rows_get_the_models_answers_and_only_theirs(served):
    client, frame, expected = served
    rows = [as_json(frame.iloc[place]) for place in range(5)]
    rows[1] |= {"picture": "not a picture"}
    rows[2] |= {"place": "moon", "note": None, "warmth": 1e9}
    rows[3] = {"wamth": 3}
    response = client.post("/predict", json={"rows": rows})
    assert response.status_code == 200
    answers = response.json()["answers"]
    for place in (0, 4):
        said = [answers[place]["p(day)"], answers[place]["p(night)"]]
        np.testing.assert_allclose(said, expected[place], atol=1e-5)
        assert answers[place]["confidence"] == pytest.approx(expected[place].max(), abs=1e-5)
        assert answers[place]["predicted"] == ["day", "night"][expected[place].argmax()]
        assert "notes" not in answers[place]
    assert "column 'picture'" in answers[1]["error"] and "base64" in answers[1]["error"]
    assert "did you mean 'warmth'" in answers[3]["error"]
    notes = " ".join(answers[2]["notes"])
    assert "in no training row" in notes and "far outside" in notes
    health = client.get("/health").json()
    assert health["status"] == "ok" and health["answered"] >= 3 and health["waiting"] == 0
    # The model and its libraries hold up no request.
    assert gc.get_freeze_count() > 100_000


def test_a_form_is_answered_as_json_is(served):
    client, frame, expected = served
    rows = frame.iloc[:2]
    files = [("picture", ("x.png", encode_png(picture))) for picture in rows["picture"]]
    fields = {
        "note": list(rows["note"]),
        "warmth": [repr(float(value)) for value in rows["warmth"]],
        "place": list(rows["place"]),
    }
    answers = client.post("/predict", files=files, data=fields).json()["answers"]
    for answer, outputs in zip(answers, expected, strict=False):
        np.testing.assert_allclose(answer["p(day)"], outputs[0], atol=1e-5)
    assert client.post("/predict", files=files, data={"note": "one"}).status_code == 422


def test_no_path_or_address_is_ever_opened(served, tmp_path, monkeypatch):
    client, frame, _ = served
    path = tmp_path / "secret.png"
    path.write_bytes(encode_png(frame["picture"].iloc[0]))
    monkeypatch.chdir(tmp_path)
    ways = [
        str(path),
        "secret.png",
        f"file://{path}",
        "http://127.0.0.1/secret.png",
        "~/secret.png",
    ]
    ways += [base64.b64encode(str(path).encode()).decode(), f"data:image/png,{path}"]
    for way in [*ways, {"path": str(path)}, [str(path)]]:
        answer = client.post("/predict", json={"picture": way, "note": "sun"}).json()["answers"][0]
        assert set(answer) == {"error"}, way


def test_a_damaged_or_huge_picture_harms_its_own_row_alone(served):
    client, frame, expected = served
    good = as_json(frame.iloc[0])
    broken = encode_png(frame["picture"].iloc[0])[:60]
    huge = encode_png(np.zeros((101, 100, 1), np.uint8))
    rows = [good] + [
        {**good, "picture": base64.b64encode(contents).decode()} for contents in (broken, huge)
    ]
    answers = client.post("/predict", json={"rows": rows}).json()["answers"]
    np.testing.assert_allclose(answers[0]["p(day)"], expected[0][0], atol=1e-5)
    assert "picture" in answers[1]["error"] and "at most 10,000" in answers[2]["error"]
    assert client.post("/predict", json={}).json()["answers"][0]["error"]


def test_limits_have_their_own_status(served):
    client, _, _ = served
    many = {"rows": [{"note": "sun"}] * 9}
    assert client.post("/predict", json=many).status_code == 413
    assert client.post("/predict", content=b" " * 200_001).status_code == 413

    def pieces():
        for _ in range(30):
            yield b" " * 10_000

    assert client.post("/predict", content=pieces()).status_code == 413
    for body, status in ((b"[]", 422), (b"{", 400), (b"3", 422)):
        assert client.post("/predict", content=body).status_code == status
    assert client.post("/predict", content=b"x", headers={"content-type": "a/b"}).status_code == 415


def test_the_page_of_the_api_has_the_models_columns(served):
    client, _, _ = served
    body = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]
    row = body["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
    assert list(row["properties"]) == ["picture", "note", "warmth", "place"]
    assert client.get("/docs").status_code == 200


_CODES = (0, 9, 65, 0xE9, 0x4E00, 0x1F600, 0x202E)


def any_value(draw, depth=0):
    """A value of JSON of any kind; some of what breaks parsers."""
    kinds = [
        lambda: None,
        lambda: draw.choice([True, False]),
        lambda: draw.choice([0, -1, 2**63, 10**400, 1e308, -0.0, 5e-324]),
        lambda: "".join(map(chr, draw.choices(_CODES, k=draw.randrange(9)))),
        lambda: draw.choice(
            ["NaN", "1,5", "../../etc/passwd", "=1+1", "\ud83d", "a" * 5000, "AAAA"]
        ),
        lambda: base64.b64encode(draw.randbytes(draw.randrange(80))).decode(),
        lambda: base64.b64encode(b"\x89PNG\r\n\x1a\n" + draw.randbytes(60)).decode(),
        lambda: [any_value(draw, depth + 1) for _ in range(draw.randrange(4))],
        lambda: {str(any_value(draw, 3)): any_value(draw, depth + 1) for _ in range(3)},
    ]
    return draw.choice(kinds[: 7 if depth > 2 else None])()


def bodies():
    """100 bodies: whole requests gone wrong, single cells gone wrong, and bytes of any kind."""
    draw = random.Random(0)
    columns = ["picture", "note", "warmth", "place", "when", "id", "", "present"]
    fixed = [
        b"",
        b"null",
        b"[[]]",
        b'{"rows": {}}',
        b'{"rows": [null, 1, "x", [], true]}',
        b'{"rows": [{"warmth": NaN}]}',
        b'{"rows": [{"warmth": 1e999}]}',
        b'{"rows": [{"warmth": ' + b"9" * 5000 + b"}]}",
        b"[" * 100_000,
        b'{"rows": ' + b"[" * 60 + b"]" * 60 + b"}",
        b'{"a": ' * 20_000,
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"rows": []}',
        b'{"rows": [{"note": "\\ud83d", "place": "\\u0000"}]}',
        b'{"rows": [{"\\ud83d": 1}]}',
        json.dumps({"rows": [{"note": "x" * 100_000}]}).encode(),
        b'{"rows": [{"note": "a", "note": 3}]}',
        b"a,b\n1,2\n",
        b"%PDF-1.4",
        b"\0" * 100,
    ]
    cells = [
        json.dumps({"rows": [{draw.choice(columns): any_value(draw)} for _ in range(3)]}).encode()
        for _ in range(40)
    ]
    wholes = [json.dumps(any_value(draw)).encode() for _ in range(20)]
    return [*fixed, *cells, *wholes, *(draw.randbytes(draw.randrange(200)) for _ in range(20))]


def test_no_body_makes_the_server_fail(served):
    client, frame, expected = served
    sent = bodies()
    assert len(sent) == 100
    types = ["application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/x"]
    for number, body in enumerate(sent):
        for content_type in types if number % 4 == 0 else types[:1]:
            response = client.post("/predict", content=body, headers={"content-type": content_type})
            assert response.status_code < 500, (content_type, body[:200], response.text)
            answer = response.json()
            assert "detail" in answer or all(isinstance(a, dict) for a in answer["answers"])
    # It still works.
    answer = client.post("/predict", json=as_json(frame.iloc[0])).json()["answers"][0]
    np.testing.assert_allclose(answer["p(day)"], expected[0][0], atol=1e-5)


def test_damaged_forms_do_not_make_it_fail(served):
    client, _, _ = served
    head = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
    forms = [
        head,
        head + b"abc\r\n--x--\r\n",
        head.replace(b"picture", b"\xff"),
        b"--x--",
        b"--x\r\n",
    ]
    forms += [head.replace(b"name=", b"n="), head * 50 + b"\r\n--x--\r\n", b"--y\r\n\r\n"]
    forms += [b'--x\r\nContent-Disposition: form-data; name="warmth"\r\n\r\n[[[\r\n--x--\r\n']
    for form in forms:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        response = client.post("/predict", content=form, headers=headers)
        assert response.status_code < 500, (form[:100], response.text)
    headers = {"content-type": "multipart/form-data; boundary=x; charset=nonsense"}
    assert client.post("/predict", content=forms[1], headers=headers).status_code < 500


def test_what_a_category_means_does_not_depend_on_rows_beside_it():
    from mmkeras.serving.server.answering import Answerer

    frame = pd.DataFrame({"code": ["01", "1", "x", "2"] * 5, "label": ["a", "b", "a", "c"] * 5})
    from mmkeras.schema import Schema, Tabular

    schema = Schema([Tabular("facts", categorical=["code"])], "label")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 01 and 1 are one number
        table = read_table(frame, schema)
        preprocessing = fit_preprocessing(table, schema)
    model = build_model(schema, preprocessing.inputs, num_outputs=3, hidden=(4,))
    answerer = Answerer(model, preprocessing)
    alone = answerer([[{"code": "1"}]])[0][0]
    beside = answerer([[{"code": "1"}], [{"code": 3}], [{"code": "x"}]])[0][0]
    assert alone["p(b)"] == pytest.approx(beside["p(b)"], abs=1e-6)
    number = answerer([[{"code": 1}]])[0][0]  # 01 or 1
    assert "may be one of several" in number["notes"][0]
