"""Access groups in LiteLLM's two forms: by REST, and by name. `beta` is in the configuration of these tests."""

from admin.conftest import NOBODY, Api


def test_by_rest(api: Api) -> None:
    for root in ("/v1/access_group", "/v1/unified_access_group"):
        status, made = api.post(root, {"access_group_name": f"of {root}", "access_model_names": ["m"]})
        assert status == 201
        path = f"{root}/{made['access_group_id']}"
        assert api.get(path)["access_model_names"] == ["m"]
        assert made["access_group_id"] in [row["access_group_id"] for row in api.get(root)]
        assert api.done("PUT", path, {"access_model_names": ["n"]})["access_model_names"] == ["n"]
        key = api.key(models=[f"of {root}"])
        assert [api.call(key, model) for model in ("m", "n")] == [403, 200]
        assert api.ask("DELETE", path)[0] == 204
        assert api.look(path)[0] == 404
        assert api.post(root, {})[1]["error"]["param"] == "access_group_name"


def test_by_name(api: Api) -> None:
    made = api.made("/access_group/new", access_group="cheap", model_names=["m", "n"])
    assert (made["access_group"], made["model_names"], made["models_updated"]) == ("cheap", ["m", "n"], 2)
    listed = {row["access_group"]: row for row in api.get("/access_group/list")["access_groups"]}
    assert (listed["beta"]["model_names"], listed["beta"]["deployment_count"]) == (["n"], 1)
    assert (listed["cheap"]["model_names"], listed["cheap"]["deployment_count"]) == (["m", "n"], 2)
    assert api.get("/access_group/cheap/info")["model_names"] == ["m", "n"]
    assert api.get("/access_group/beta/info")["model_names"] == ["n"]
    assert api.done("PUT", "/access_group/cheap/update", {"model_names": ["n"]})["model_names"] == ["n"]
    key = api.key(models=["cheap"])
    assert [api.call(key, model) for model in ("m", "n")] == [403, 200]
    assert api.done("DELETE", "/access_group/cheap/delete", {})["access_group"] == "cheap"
    for method, path in (("GET", "info"), ("PUT", "update"), ("DELETE", "delete")):
        status, _ = api.ask(method, f"/access_group/{NOBODY}/{path}", {"model_names": ["m"]})
        assert status == 404


def test_deployments_are_not_grouped_one_by_one(api: Api) -> None:
    status, found = api.post("/access_group/new", {"access_group": "x", "model_ids": ["one"]})
    assert (status, "does not support yet" in found["error"]["message"]) == (400, True)
