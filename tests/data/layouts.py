"""Trees of images as people have them, and how each is to be read: `LAYOUTS` and `UNREADABLE`.

A tree is paths of images; each image shows a picture of its own. `LAYOUTS` gives for each path its emotion
and usage, `None` for what is passed over.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from ferflow.labels import EMOTIONS

TRAIN, VAL, TEST = "Training", "PublicTest", "PrivateTest"


@dataclass(frozen=True)
class Tree:
    """Files and how they are read.

    Attributes:
        images: Path to (emotion, usage).
        passed_over: Paths of files that are no part of the data.
        map: Entries of `download.map`.
    """

    images: dict[str, tuple[str, str]]
    passed_over: tuple[str, ...] = ()
    map: tuple[str, ...] = field(default=())


def of_classes(prefix: str, usage: str, *, names: dict[str, str] | None = None) -> dict:
    """One image a class below a prefix; `names` calls classes otherwise."""
    names = names or {}
    return {f"{prefix}{names.get(emotion, emotion)}/im.png": (emotion, usage) for emotion in EMOTIONS}


def subsets(**usages: str) -> dict:
    """Folders of subsets with one image a class each."""
    return {
        path: what
        for folder, usage in usages.items()
        for path, what in of_classes(folder.replace("__", "/") + "/", usage).items()
    }


def _subset_spellings() -> dict[str, Tree]:
    train = (
        "train",
        "Train",
        "TRAIN",
        "training",
        "Training",
        "train_set",
        "trainset",
        "FER2013Train",
        "01_train",
    )
    val = (
        "val",
        "valid",
        "validation",
        "Validation",
        "PublicTest",
        "public_test",
        "dev",
        "devel",
        "VAL",
        "FER2013Valid",
    )
    test = (
        "test",
        "testing",
        "Test",
        "PrivateTest",
        "private-test",
        "TEST",
        "test_set",
        "FER2013Test",
        "testset",
    )
    trees = {}
    for folder in train:
        trees[f"train spelt {folder}"] = Tree(subsets(**{folder: TRAIN, "test": TEST}))
    for folder in val:
        trees[f"val spelt {folder}"] = Tree(subsets(**{"train": TRAIN, folder: VAL, "test": TEST}))
    for folder in test:
        trees[f"test spelt {folder}"] = Tree(subsets(**{"train": TRAIN, folder: TEST}))
    return trees


def _depths() -> dict[str, Tree]:
    trees = {}
    for wrapper, order, person in itertools.product(
        ("", "fer2013/", "data/FER 2013/images/"), ("subset first", "class first"), ("", "S01/", "S01/004/")
    ):
        images = {}
        for folder, usage in (("Training", TRAIN), ("Validation", VAL), ("Testing", TEST)):
            for path, (emotion, _) in of_classes("", usage).items():
                called, file = path.split("/")
                both = f"{folder}/{called}" if order == "subset first" else f"{called}/{folder}"
                images[f"{wrapper}{both}/{person}{file}"] = (emotion, usage)
        trees[f"{wrapper or 'no wrapper'} {order} {person or 'no person'}"] = Tree(images)
    return trees


def _class_spellings() -> dict[str, Tree]:
    spellings = {
        "synonyms": {"angry": "anger", "happy": "happiness", "sad": "sadness", "surprise": "surprised"},
        "other synonyms": {"happy": "joy", "fear": "fearful", "disgust": "disgusted", "surprise": "suprise"},
        "upper case": {emotion: emotion.upper() for emotion in EMOTIONS},
        "capitals": {emotion: emotion.capitalize() for emotion in EMOTIONS},
        "numbers before": {emotion: f"{n}_{emotion}" for n, emotion in enumerate(EMOTIONS)},
        "numbers behind": {emotion: f"{emotion} {n}" for n, emotion in enumerate(EMOTIONS)},
        "words around": {"angry": "angry_faces", "sad": "sad images", "fear": "class-fear"},
        "JAFFE": dict(zip(EMOTIONS, ("AN", "DI", "FE", "HA", "NE", "SA", "SU"), strict=True)),
    }
    trees = {}
    for name, names in spellings.items():
        trees[f"classes by {name}"] = Tree(of_classes("", TRAIN, names=names))
        both = of_classes("train/", TRAIN, names=names) | of_classes("test/", TEST, names=names)
        trees[f"classes by {name} in subsets"] = Tree(both)
    return trees


def _numbers() -> dict[str, Tree]:
    orders = {
        "FER-2013": ("0", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")),
        "RAF-DB": ("1", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")),
        "AffectNet": ("0", ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry")),
        "two digits": ("01", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")),
    }
    trees = {}
    for name, (first, emotions) in orders.items():
        numbers = {
            emotion: str(int(first) + place).zfill(len(first)) for place, emotion in enumerate(emotions)
        }
        entries = tuple(f"{number}={emotion}" for emotion, number in numbers.items())
        trees[f"numbers of {name}"] = Tree(of_classes("", TRAIN, names=numbers), map=entries)
        both = of_classes("train/", TRAIN, names=numbers) | of_classes("test/", TEST, names=numbers)
        trees[f"numbers of {name} in subsets"] = Tree(both, map=entries)
    return trees


def _strays() -> dict[str, Tree]:
    base = subsets(train=TRAIN, test=TEST)
    strays = {
        "notes": "train/angry/notes.txt",
        "Thumbs.db": "train/angry/Thumbs.db",
        "DS_Store": "train/.DS_Store",
        "MACOSX": "__MACOSX/train/angry/._im.png",
        "AppleDouble": "train/angry/._im.png",
        "readme at the top": "README.md",
        "table at the top": "labels.csv",
        "picture at the top": "logo.png",
        "notebook": ".ipynb_checkpoints/x.png",
        "landmarks": "test/sad/im.pts",
        "array": "train/sad/im.npy",
        "no ending": "train/sad/LICENSE",
    }
    trees = {f"stray {name}": Tree(base, (path,)) for name, path in strays.items()}
    trees["all strays"] = Tree(base, tuple(strays.values()))
    return trees


def _others() -> dict[str, Tree]:
    contempt = {"train/contempt/im.png": None, "test/contempt/im.png": None}
    named = {
        f"{emotion}/{usage}_{number}.png": (emotion, usage)
        for emotion in EMOTIONS
        for number, usage in enumerate((TRAIN, VAL, TEST))
    }
    kaggle = {
        f"{'train' if usage == TRAIN else 'test'}/{path}": (emotion, usage)
        for path, (emotion, usage) in named.items()
    }
    persons = {
        path: what for person in ("S005", "S010") for path, what in of_classes(f"{person}/", TRAIN).items()
    }
    collections = {
        path: what
        for wrapper in ("one/", "two/")
        for path, what in of_classes(f"{wrapper}train/", TRAIN).items()
    }
    return {
        "classes alone": Tree(of_classes("", TRAIN)),
        "classes in one folder": Tree(of_classes("faces/", TRAIN)),
        "classes in two folders": Tree(of_classes("faces/all/", TRAIN)),
        "a class twice by two names": Tree(of_classes("", TRAIN) | {"joy/im.png": ("happy", TRAIN)}),
        "a class folder in itself": Tree(of_classes("", TRAIN) | {"happy/Happy/x.png": ("happy", TRAIN)}),
        "usages as folders": Tree(subsets(Training=TRAIN, PublicTest=VAL, PrivateTest=TEST)),
        "usages below test": Tree(subsets(train=TRAIN, test__PublicTest=VAL, test__PrivateTest=TEST)),
        "usages by file names": Tree(named),
        "Kaggle's layout": Tree(kaggle),
        "train and val alone": Tree(subsets(train=TRAIN, val=VAL)),
        "a person above the class": Tree(persons),
        "two collections": Tree(collections),
        "wrapper with a word of a subset": Tree(
            {f"my_test_project/{path}": what for path, what in subsets(train=TRAIN, test=TEST).items()}
        ),
        "contempt left out": Tree(
            subsets(train=TRAIN, test=TEST), passed_over=tuple(contempt), map=("contempt=",)
        ),
        "contempt counted": Tree(
            subsets(train=TRAIN, test=TEST)
            | {path: ("disgust", TRAIN if "train" in path else TEST) for path in contempt},
            map=("Contempt=disgust",),
        ),
        "a subset of another language": Tree(
            {
                path: what
                for folder, usage in (("Entrenamiento", TRAIN), ("Prueba", TEST))
                for path, what in of_classes(f"{folder}/", usage).items()
            },
            map=("entrenamiento=train", "prueba=test"),
        ),
        "a subset left out": Tree(
            subsets(train=TRAIN, test=TEST), passed_over=("extra/angry/im.png",), map=("extra=",)
        ),
        "persons of two letters": Tree(
            {
                f"{emotion}/{person}/im.png": (emotion, TRAIN)
                for emotion in EMOTIONS
                for person in ("SA", "KM")
            }
        ),
        "files without an ending": Tree(
            {path.removesuffix(".png"): what for path, what in of_classes("", TRAIN).items()}
        ),
    }


LAYOUTS: dict[str, Tree] = {
    **_subset_spellings(),
    **_depths(),
    **_class_spellings(),
    **_numbers(),
    **_strays(),
    **_others(),
}

# Paths that cannot be read, and what the one error must name.
UNREADABLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown class": (("train/bored/1.png", "train/sad/1.png"), ("bored (1 image)", "download.map")),
    "numbers from 0": (("0/1.png", "6/1.png"), ("0 (1 image)", "FER-2013", "AffectNet", "download.map=[0=")),
    "numbers from 1": (("train/1/1.png", "train/7/1.png"), ("1 (1 image)", "RAF-DB", "1=surprise")),
    "unknown subset": (("train/sad/1.png", "later/sad/1.png"), ("later (1 image)", "train/")),
    "unknown folders above": (("uno/sad/1.png", "due/sad/1.png"), ("due (1 image)", "uno (1 image)")),
    "two subsets in a path": (("train/test/sad/1.png", "test/sad/1.png"), ("train/test/sad",)),
    "train and val together": (("trainval/sad/1.png", "test/sad/1.png"), ("trainval (1 image)",)),
    "test in a vague name": (("kaggle_test/sad/1.png",), ("kaggle_test",)),
    "two classes in a path": (("sad/happy/1.png",), ("sad", "happy")),
    "no class": (("train/1.png", "test/1.png"), ("2 images", "test/1.png", "class")),
    "flat": (("1.png", "2.png"), ("1.png", "class")),
    "no image": (("sad/notes.txt",), ("1 .txt",)),
    "a table alone": (("fer2013.csv",), ("1 .csv", "download.source csv")),
    "an archive alone": (("fer2013.tar.gz",), ("fer2013.tar.gz", "another archive")),
    "name against folder": (("train/sad/PrivateTest_1.png",), ("PrivateTest_1.png", "train/")),
}
