"""What the Server object says agrees with itself, with the settings and with the rights in force (OPC 10000-5, 6.3)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.core.clock import ManualClock, to_datetime
from server.opcua.nodes.base import Base
from server.opcua.nodes.snapshot import Model
from server.opcua.nodes.values import data_value, variant_of
from server.opcua.roles import ENGINEERS_CALL, MODE_SIGN, ROLE_NAMES
from server.opcua.server_object import OWN_METHODS, ServerFacts, ServerObject, describe
from server.opcua.services.limits import OperationLimits
from server.opcua.space import Space

IDS = ua.ObjectIds


@pytest.fixture
def space(base: Base, indexes: dict[str, int]) -> Space:
    return Space(base.store, indexes)


def facts(clock: ManualClock, **more: Any) -> ServerFacts:
    return ServerFacts(
        application_uri="urn:test:application",
        product_uri="urn:fieldloom",
        software_version="1.2.3",
        build_date=clock.now(),
        **more,
    )


@pytest.fixture
def server(space: Space, base: Base, clock: ManualClock) -> ServerObject:
    made = describe(space, space.rights, facts(clock), clock, base.models)
    made.namespaces_changed(list(space.indexes))
    return made


def read(space: Space, number: int) -> Any:
    return variant_of(space.point(ua.NodeId(number))).Value


def test_the_status_agrees_as_structure_and_as_children(server: ServerObject, space: Space, clock: ManualClock) -> None:
    started = to_datetime(clock.now())
    clock.advance(90)
    server.set_state(ua.ServerState.Shutdown, 5, ua.LocalizedText("bye", "en"))
    status = read(space, IDS.Server_ServerStatus)
    assert status.StartTime == read(space, IDS.Server_ServerStatus_StartTime) == started
    assert status.CurrentTime == read(space, IDS.Server_ServerStatus_CurrentTime) == to_datetime(clock.now())
    assert status.State == read(space, IDS.Server_ServerStatus_State) == ua.ServerState.Shutdown
    assert status.SecondsTillShutdown == read(space, IDS.Server_ServerStatus_SecondsTillShutdown) == 5
    assert status.ShutdownReason == read(space, IDS.Server_ServerStatus_ShutdownReason)
    assert status.BuildInfo == read(space, IDS.Server_ServerStatus_BuildInfo)
    for field in ("ProductUri", "ManufacturerName", "ProductName", "SoftwareVersion", "BuildNumber", "BuildDate"):
        value = getattr(status.BuildInfo, field)
        assert value
        assert value == read(space, getattr(IDS, f"Server_ServerStatus_BuildInfo_{field}"))


def test_the_time_runs_without_anybody_writing_it(server: ServerObject, space: Space, clock: ManualClock) -> None:
    point = space.point(ua.NodeId(IDS.Server_ServerStatus_CurrentTime))
    for _ in range(2):
        clock.advance(0.25)
        shown = data_value(point)
        assert shown.Value is not None
        assert shown.Value.Value == shown.SourceTimestamp == shown.ServerTimestamp == to_datetime(clock.now())


def test_capabilities_and_limits_are_those_of_the_settings(space: Space, base: Base, clock: ManualClock) -> None:
    limits = OperationLimits(read=11, write=12, browse=13, translate=14, register=15, call=16, monitored_items=17)
    profile = "http://opcfoundation.org/UA-Profile/Server/StandardUA2017"
    describe(space, space.rights, facts(clock, operations=limits, profiles=(profile,), max_sessions=7), clock)
    top = "Server_ServerCapabilities_"
    for name, value in (
        ("OperationLimits_MaxNodesPerRead", 11),
        ("OperationLimits_MaxNodesPerWrite", 12),
        ("OperationLimits_MaxNodesPerBrowse", 13),
        ("OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds", 14),
        ("OperationLimits_MaxNodesPerRegisterNodes", 15),
        ("OperationLimits_MaxNodesPerMethodCall", 16),
        ("OperationLimits_MaxMonitoredItemsPerCall", 17),
        ("MaxSessions", 7),
        ("MaxBrowseContinuationPoints", limits.browse_points),
        ("ServerProfileArray", [profile]),
        ("LocaleIdArray", ["en", "ru"]),
        ("SoftwareCertificates", []),
    ):
        assert read(space, getattr(IDS, top + name)) == value, name
    # Nothing that the standard has there is without a value.
    store = space.store
    for holder in (IDS.Server_ServerCapabilities, IDS.Server_ServerCapabilities_OperationLimits, 11192):
        for key in store.targets(holder, IDS.HasProperty):
            if store[key].name.NamespaceIndex:
                continue  # a companion specification's, whose feature fills it
            assert store[key].point is not None
            assert variant_of(store[key].point).Value is not None, store[key].name  # type: ignore[arg-type]


def test_every_namespace_has_one_metadata_object(server: ServerObject, space: Space, base: Base) -> None:
    store = space.store

    def shown() -> dict[str, dict[str, Any]]:
        return {
            store[key].name.Name: {
                store[child].name.Name: variant_of(store[child].point).Value  # type: ignore[arg-type]
                for child in store.targets(key, IDS.HasProperty)
            }
            for key in store.targets(IDS.Server_Namespaces, IDS.HasComponent)
        }

    names = list(space.indexes)
    assert sorted(shown()) == sorted(names)
    assert len(store.targets(IDS.Server_Namespaces, IDS.HasComponent)) == len(names)
    for uri, properties in shown().items():
        assert properties["NamespaceUri"] == uri
        assert properties["NamespaceVersion"]
        assert properties["NamespacePublicationDate"] is not None
    for model in base.models:
        # FDI7's file names no version in its header; the metadata object it brings does.
        version = model.version or {"http://fdi-cooperation.com/OPCUA/FDI7/": "1.3"}[model.uri]
        assert shown()[model.uri]["NamespaceVersion"] == version
        assert shown()[model.uri]["NamespacePublicationDate"].isoformat()[:10] == model.publication_date[:10]
    added = Model("urn:fieldloom:fdi:pump", len(names), "4.5.6", "2026-02-03T00:00:00Z")
    server.namespaces_changed([*names, added.uri], [added])
    server.namespaces_changed([*names, added.uri])
    assert read(space, IDS.Server_NamespaceArray) == [*names, added.uri]
    assert shown()[added.uri]["NamespaceVersion"] == "4.5.6"
    assert len(shown()) == len(names) + 1
    server.namespace_described(Model(added.uri, added.index, "5.0.0"))
    assert shown()[added.uri]["NamespaceVersion"] == "5.0.0"


def test_default_permissions_follow_the_rights_in_force(server: ServerObject, space: Space) -> None:
    store = space.store
    metadata = next(
        key for key in store.targets(IDS.Server_Namespaces, IDS.HasComponent) if store[key].name.Name.endswith(":plant")
    )
    points = {store[key].name.Name: store[key].point for key in store.targets(metadata, IDS.HasProperty)}
    index = space.indexes["urn:fieldloom:plant"]
    space.rights.defaults(index).permissions = ENGINEERS_CALL
    space.rights.defaults(index).restrictions = 3
    roles, restrictions = points["DefaultRolePermissions"], points["DefaultAccessRestrictions"]
    assert roles is not None
    assert restrictions is not None
    rows = [(row.RoleId.Identifier, int(row.Permissions)) for row in variant_of(roles).Value]
    assert rows == list(ENGINEERS_CALL)
    assert variant_of(restrictions).Value == 3


def test_everybody_may_ask_about_his_own_subscriptions(server: ServerObject, space: Space) -> None:
    guest = space.rights.audience(ROLE_NAMES["anonymous"], MODE_SIGN)
    for number in OWN_METHODS:
        assert guest.has(space.node(ua.NodeId(number)), 4096), number


def test_identities_of_the_roles_are_told_to_administrators_only(server: ServerObject, space: Space) -> None:
    store = space.store
    operator = store.targets(IDS.WellKnownRole_Operator, IDS.HasProperty)
    assert [store[key].name.Name for key in operator] == ["Identities"]
    point = store[operator[0]].point
    assert point is not None
    assert {rule.Criteria for rule in variant_of(point).Value} == {"operator", "engineer", "admin"}
    assert not space.rights.audience(ROLE_NAMES["operator"], MODE_SIGN).has(store[operator[0]], 32)
