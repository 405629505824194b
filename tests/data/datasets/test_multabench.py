"""The two sets of MulTaBench: what is read of the files, and the folds of the protocol."""

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.datasets import load_dataset
from mmkeras.data.datasets.multabench import protocol_split
from mmkeras.data.tables.read import read_table

BIKES = """id,bike_name,city_posted,km_driven,color,fuel_type,price,model_year,owner_type,url
12,"TVS Apache RTR 160 Rear Drum Brake",Mumbai,28500, Grey ,Petrol,40000,2010,First,http://a
20,"Bajaj Discover 125 Disc",Delhi,21300,,Petrol,27000,2009,Second,http://b
"""
HEAD = (
    "int_id,ext_id,title,SKU,price,is_discounted,category,company_struct,company_free,brand,"
    "weight,length,width,height,fabrics,colors,materials\n"
)
PRODUCTS = (
    HEAD
    + '1,54,Bedding Set,1402,159.99,1,Bedding,Shell,,, 1 lb. 4 oz.,"37""",the,"6.7""",cotton,,\n'
    + "2,16,Crib,28,29.99,0,Bedding,Ivy,My Baby,,,,45&quot;,binding.,,blue,wood\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    (tmp_path / "multabench").mkdir()
    (tmp_path / "multabench" / "bikewale.csv").write_text(BIKES)
    (tmp_path / "multabench" / "babies_r_us.csv").write_text(PRODUCTS)


@pytest.mark.usefixtures("folder")
def test_bikes_have_a_name_facts_and_a_price():
    table, schema = load_dataset("bikewale")
    frame = read_table(table, schema)
    assert schema.names == ("name", "facts")
    assert frame["color"].tolist() == ["grey", None]
    assert frame["price"].tolist() == [40000, 27000]
    assert not {"id", "url", "fuel_type"} & set(table)


@pytest.mark.usefixtures("folder")
def test_sizes_and_weights_are_numbers_where_a_text_begins_with_one():
    table, schema = load_dataset("babies_r_us")
    frame = read_table(table, schema)
    sizes = frame[["weight", "length", "width", "height"]].to_numpy(float)
    np.testing.assert_array_equal(sizes, [[20, 37, np.nan, 6.7], [np.nan, np.nan, 45, np.nan]])
    assert frame["is_discounted"].tolist() == ["1", "0"]
    assert not {"int_id", "ext_id", "SKU", "brand"} & set(table)


def test_without_the_files_it_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"multabench.*put them into"):
        load_dataset("bikewale")
    monkeypatch.delenv("MMKERAS_DATA")
    with pytest.raises(FileNotFoundError, match="set MMKERAS_DATA"):
        load_dataset("babies_r_us")


def test_folds_are_drawn_as_the_comparison_draws_them():
    from sklearn.model_selection import train_test_split

    table = pd.DataFrame({"row": np.arange(205)})
    for fold in (0, 4):
        splits = protocol_split(table, fold)
        _, test = train_test_split(table["row"], test_size=20, random_state=42 + fold)
        assert splits.test["row"].tolist() == test.tolist()
        assert [len(part) for part in (splits.train, splits.validation)] == [167, 18]
        assert len(pd.concat([part for _, part in splits.items()]).drop_duplicates()) == 205
    with pytest.raises(ValueError, match="0 to 4"):
        protocol_split(table, 5)
