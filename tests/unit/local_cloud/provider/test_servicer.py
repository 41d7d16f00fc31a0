"""The engine's side of the protocol, over a real connection, with a type made for the test."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from local_cloud.provider import lifecycle
from local_cloud.provider.resource import RefusedError, Resource, ResourceUpdate
from local_cloud.provider.schema import Integer, Properties
from local_cloud.provider.servicer import ProviderServicer
from local_cloud.provider.wire import decode, encode

URN = "urn:pulumi:dev::project::aws:test/thing:Thing::thing"
CONFIGURATION = {
    "region": "eu-west-1",
    "accessKey": "test",
    "secretKey": "test",
    "endpoints": '[{"s3":"http://127.0.0.1:9"}]',
}


class Thing(Resource, module="test"):
    """A thing whose size is set by a second call, which fails as often as told."""

    properties: ClassVar = {"size": Integer(required=True)}
    sizes: ClassVar[dict[str, int]] = {}
    failures: ClassVar[list[Exception]] = []

    def create(self, inputs: Mapping[str, Any]) -> str:
        self.sizes["thing"] = 0
        return "thing"

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.sizes[identifier] = inputs["size"]

    def read(self, identifier: str) -> Properties | None:
        return {"size": self.sizes[identifier]} if identifier in self.sizes else None

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        assert change.touches("size")
        self.sizes[identifier] = change.news["size"]

    def delete(self, identifier: str) -> None:
        if self.failures:
            raise self.failures.pop()
        self.sizes.pop(identifier, None)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    monkeypatch.setattr(lifecycle, "RESOURCES", {Thing.type_name: Thing})
    Thing.sizes.clear()
    Thing.failures.clear()
    server = grpc.server(ThreadPoolExecutor(1))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProviderServicer(None), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(None)


@pytest.fixture
def configured(stub: provider_pb2_grpc.ResourceProviderStub) -> provider_pb2_grpc.ResourceProviderStub:
    stub.Configure(provider_pb2.ConfigureRequest(args=encode(CONFIGURATION)))
    return stub


def _create(stub: provider_pb2_grpc.ResourceProviderStub, **inputs: Any) -> Any:
    return stub.Create(provider_pb2.CreateRequest(urn=URN, properties=encode(inputs)))


def test_nothing_is_made_before_the_provider_is_configured(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError, match="not configured"):
        _create(stub, size=1)


def test_a_resource_that_could_not_be_completed_is_told_with_its_id_and_reason(
    configured: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    Thing.failures.append(RefusedError("no room"))
    with pytest.raises(grpc.RpcError) as failed:
        _create(configured, size=3)
    metadata = dict(failed.value.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    told = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(told)
    assert (told.id, list(told.reasons)) == ("thing", ["no room"])
    assert decode(told.inputs) == {"size": 3}


def test_an_update_without_a_change_completes_what_could_not_be_completed(
    configured: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    Thing.sizes["thing"] = 0
    inputs = encode({"size": 3})
    request = provider_pb2.UpdateRequest(id="thing", urn=URN, olds=inputs, old_inputs=inputs, news=inputs)
    assert decode(configured.Update(request).properties) == {"size": 3}
    assert Thing.sizes == {"thing": 3}


def test_a_resource_that_is_gone_is_read_as_no_id(configured: provider_pb2_grpc.ResourceProviderStub) -> None:
    request = provider_pb2.ReadRequest(id="thing", urn=URN, inputs=encode({"size": 3}))
    assert configured.Read(request).id == ""


def test_what_was_changed_is_read_as_inputs(configured: provider_pb2_grpc.ResourceProviderStub) -> None:
    _create(configured, size=3)
    Thing.sizes["thing"] = 4
    answer = configured.Read(provider_pb2.ReadRequest(id="thing", urn=URN, inputs=encode({"size": 3})))
    assert decode(answer.inputs)["size"] == 4
    assert decode(answer.properties)["size"] == 4


def test_a_fault_of_the_providers_own_is_told_with_its_trace(
    configured: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    Thing.failures.append(ZeroDivisionError("fault"))
    with pytest.raises(grpc.RpcError, match="fault in the local stand-in") as failed:
        configured.Delete(provider_pb2.DeleteRequest(id="thing", urn=URN, properties=encode({"size": 1})))
    assert "Traceback" in failed.value.details()


def test_a_diff_names_what_changes_and_how(configured: provider_pb2_grpc.ResourceProviderStub) -> None:
    request = provider_pb2.DiffRequest(
        id="thing", urn=URN, old_inputs=encode({"size": 1, "region": "a"}), news=encode({"size": 2, "region": "b"})
    )
    answer = configured.Diff(request)
    kind = provider_pb2.PropertyDiff.Kind
    assert {name: kind.Name(each.kind) for name, each in answer.detailedDiff.items()} == {
        "size": "UPDATE",
        "region": "UPDATE_REPLACE",
    }
    assert list(answer.replaces) == ["region"]


def test_a_data_source_that_is_not_implemented_is_named(configured: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError, match="aws:ec2/getVpc:getVpc"):
        configured.Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getVpc:getVpc"))
