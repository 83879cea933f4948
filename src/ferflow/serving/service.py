"""The service: pictures in, JSON out, with limits, health, metrics and, if asked for, the page."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from importlib import resources
from typing import Any

import cv2
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ferflow.errors import BadImageError
from ferflow.explain.heatmap import overlay
from ferflow.labels import EMOTIONS
from ferflow.serving.export_folder import Description
from ferflow.serving.face import Face
from ferflow.serving.guard import Guard, as_response
from ferflow.serving.limits import Limits, Refused
from ferflow.serving.metrics import Metrics
from ferflow.serving.predictor import Predictor
from ferflow.serving.uploads import Uploads
from ferflow.serving.workers import Workers
from ferflow.version import version

_PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
# What the service without the page says of itself.
_FRONT = {
    "/": ("front.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
_ROUTES = ("/predict", "/explain", "/health", "/metrics", "/model", "/openapi.json")
_DECIMALS = 6
# Side in pixels of a face that is shown with its heatmap.
_OVERLAY_SIDE = 192
_UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "The bytes of a picture: JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF or HEIC",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def create_service(
    predictors: Sequence[Predictor],
    *,
    hosts: Collection[str],
    limits: Limits | None = None,
    with_page: bool = False,
) -> FastAPI:
    """The application.

    Args:
        predictors: One a worker; all of the same export.
        hosts: Names by which it may be called, such as `localhost`.
        limits: What it takes.
        with_page: Whether the page is at `/`.
    """
    bounds = limits or Limits()
    description = predictors[0].description
    model = predictors[0].model.as_json()
    metrics = Metrics(name=description.name, version=description.version, sha256=description.model_sha256)
    workers, uploads = Workers(predictors, bounds), Uploads(bounds)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workers.close()

    service = FastAPI(title="ferflow", version=version(), docs_url=None, redoc_url=None, lifespan=lifespan)
    routes = (*_ROUTES, *_PAGE)
    service.add_middleware(Guard, hosts={host.lower() for host in hosts}, routes=routes, metrics=metrics)
    _answer_errors_in_words(service, metrics)

    async def answered(request: Request, read: Callable[[Predictor, bytes], dict[str, Any]]) -> Response:
        content = await _worked(request, read, uploads, workers, bounds)
        metrics.faces(len(content["faces"]))
        return JSONResponse({"model": model, **content})

    @service.post("/predict", openapi_extra=_UPLOAD)
    async def predict(request: Request, whole: bool = False) -> Response:
        """Faces and their emotions; with `whole` the picture is one face, cut out already."""
        return await answered(request, partial(_predict, whole=whole))

    @service.post("/explain", openapi_extra=_UPLOAD)
    async def explain(request: Request, whole: bool = False) -> Response:
        """As `/predict`, with a picture of each face that shows where the evidence lies, PNG in base64."""
        return await answered(request, partial(_explain, whole=whole))

    _add_facts(service, metrics, description, model)
    _add_page(service, _PAGE if with_page else _FRONT)
    return service


def _add_facts(service: FastAPI, metrics: Metrics, description: Description, model: dict[str, Any]) -> None:
    """The addresses that say how the service is and which model it has."""

    @service.get("/health")
    async def health() -> Response:
        """Whether the service lives, and which model is loaded."""
        return JSONResponse({"status": "ok", "model_loaded": True, "model": model, "ferflow": version()})

    @service.get("/metrics")
    async def show_metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @service.get("/model")
    async def show_model() -> Response:
        """What `export.json` says, and whether the network is the built-in one."""
        return JSONResponse({**asdict(description), "source": model["source"], "warning": model["warning"]})


async def _worked(
    request: Request,
    read: Callable[[Predictor, bytes], dict[str, Any]],
    uploads: Uploads,
    workers: Workers,
    limits: Limits,
) -> dict[str, Any]:
    """Take the upload and have a worker read it, within the limits.

    Only who has sent all of it takes a place among those that wait.

    Raises:
        Refused: A limit is reached, or the picture cannot be used.
    """
    client = request.client.host if request.client else ""
    try:
        async with asyncio.timeout(limits.seconds):
            upload = await uploads.read(request)
            with workers.admitted(client) as place:
                return await workers.run(lambda predictor: read(predictor, upload), place)
    except TimeoutError:
        reason = f"not done within the limit of {limits.seconds:g} s; send a smaller picture, or try later"
        raise Refused(503, reason, limit="seconds", retry_after=1) from None
    except BadImageError as error:
        raise Refused(422, str(error).removeprefix("picture 0: ")) from error


def _predict(predictor: Predictor, upload: bytes, *, whole: bool) -> dict[str, Any]:
    faces, content = _read(predictor, upload, whole=whole)
    return content | {"faces": [_as_json(face) for face in faces]}


def _explain(predictor: Predictor, upload: bytes, *, whole: bool) -> dict[str, Any]:
    faces, content = _read(predictor, upload, whole=whole)
    entries = []
    for face in faces:
        _, heat = predictor.explain_faces(face.crop[None])
        picture = overlay(face.crop, heat[0], side=_OVERLAY_SIDE)
        png = cv2.imencode(".png", picture)[1].tobytes()
        entries.append(_as_json(face) | {"overlay": base64.b64encode(png).decode("ascii")})
    return content | {"faces": entries}


def _read(predictor: Predictor, upload: bytes, *, whole: bool) -> tuple[list[Face], dict[str, Any]]:
    """The faces of a picture, and its size."""
    picture = predictor.read(upload)
    faces = [predictor.whole_image(picture)] if whole else predictor.predict(picture)
    return faces, {"width": picture.width, "height": picture.height}


def _as_json(face: Face) -> dict[str, Any]:
    return {
        "box": list(face.box),
        "score": None if face.score is None else round(face.score, _DECIMALS),
        "emotion": face.emotion,
        "confidence": round(face.confidence, _DECIMALS),
        "probabilities": {
            emotion: round(float(value), _DECIMALS)
            for emotion, value in zip(EMOTIONS, face.probabilities, strict=True)
        },
        "is_tiny": face.is_tiny,
    }


def _add_page(service: FastAPI, files: Mapping[str, tuple[str, str]]) -> None:
    folder = resources.files("ferflow.serving")

    def add(path: str, name: str, media_type: str) -> None:
        content = (folder / name).read_bytes()

        @service.get(path, include_in_schema=False)
        async def show() -> Response:
            return Response(content, media_type=media_type)

    for path, (name, media_type) in files.items():
        add(path, name, media_type)


def _answer_errors_in_words(service: FastAPI, metrics: Metrics) -> None:
    """Have every refusal be JSON with the reason under `error`."""

    @service.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        if error.limit is not None:
            metrics.rejected(error.limit)
        return as_response(error)

    @service.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        found = error.errors()[0]
        return as_response(Refused(422, f"{found['loc'][-1]} is {found['input']!r}: {found['msg']}"))

    @service.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        reason = f"{HTTPStatus(error.status_code).phrase}: {request.method} {request.url.path}"
        answer = as_response(Refused(error.status_code, f"{reason}; /openapi.json lists what there is"))
        answer.headers.update(error.headers or {})
        return answer

    @service.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return as_response(Refused(500, f"the service failed ({type(error).__name__}); its log says why"))
