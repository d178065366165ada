// A node-opcua client that a test drives: one JSON request a line on stdin, one JSON answer a line on stdout.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import {
  AttributeIds, ClientMonitoredItemGroup, ClientSubscription, DataType, MessageSecurityMode, NodeClass, OPCUAClient,
  AggregateConfiguration, ReadProcessedDetails, ReadRawModifiedDetails, SecurityPolicy, TimestampsToReturn, UserTokenType, Variant,
  constructEventFilter, resolveNodeId, HistoryReadRequest, HistoryReadValueId, ofType,
} from "node-opcua-client";
import {
  DataChangeFilter, DataChangeTrigger, DeadbandType, MonitoringMode, RepublishRequest, VariantArrayType, makeBrowsePath,
} from "node-opcua-client";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";

let client, session, subscription;
const counts = new Map();   // nodeId -> [values]
const events = [];

const plain = (value) => {
  if (value === null || value === undefined) return null;
  if (Buffer.isBuffer(value)) return { hex: value.toString("hex") };
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return Array.from(value, plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "object" && "text" in value && "locale" in value) return value.text;
  if (typeof value === "object" && value.constructor && value.constructor.name === "NodeId") return value.toString();
  if (typeof value === "object") return JSON.parse(JSON.stringify(value));
  return value;
};
const variant = (v) => (v ? plain(v.value) : null);
const code = (s) => (s ? s.name : "Good");

const operations = {
  async connect({ url, user, password, policy, mode, pki }) {
    const certificates = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
    client = OPCUAClient.create({
      applicationName: "FieldloomInterop", endpointMustExist: false, clientCertificateManager: certificates,
      securityMode: MessageSecurityMode[mode || "None"], securityPolicy: SecurityPolicy[policy || "None"],
      connectionStrategy: { maxRetry: 0, initialDelay: 100 }, keepSessionAlive: false, requestedSessionTimeout: 60000,
    });
    await client.connect(url);
    session = await client.createSession(
      user ? { type: UserTokenType.UserName, userName: user, password } : { type: UserTokenType.Anonymous });
    return { endpoints: (await client.getEndpoints()).length };
  },
  async browse({ node }) {
    const result = await session.browse({ nodeId: node, browseDirection: 0, includeSubtypes: true,
      referenceTypeId: "i=33", nodeClassMask: 0, resultMask: 63 });
    return (result.references || []).map((r) => ({ id: r.nodeId.toString(), name: r.browseName.name,
      nodeClass: NodeClass[r.nodeClass], type: r.typeDefinition ? r.typeDefinition.toString() : "" }));
  },
  async read({ nodes }) {
    const values = await session.read(nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
    return values.map((v) => ({ value: variant(v.value), type: v.value ? DataType[v.value.dataType] : "Null",
      status: code(v.statusCode), source: plain(v.sourceTimestamp), server: plain(v.serverTimestamp) }));
  },
  async write({ node, type, value }) {
    const status = await session.write({ nodeId: node, attributeId: AttributeIds.Value,
      value: { value: new Variant({ dataType: DataType[type], value }) } });
    return code(status);
  },
  async call({ object, method, inputs }) {
    const result = await session.call({ objectId: object, methodId: method,
      inputArguments: (inputs || []).map(([type, value]) => new Variant({ dataType: DataType[type],
        value: type === "ByteString" ? Buffer.from(value, "hex") : type === "LocalizedText" ? { text: value } : value })) });
    return { status: code(result.statusCode), outputs: (result.outputArguments || []).map(variant),
      arguments: (result.inputArgumentResults || []).map(code) };
  },
  async subscribe({ nodes, publishing, sampling, queue }) {
    await ensureSubscription(publishing);
    const group = ClientMonitoredItemGroup.create(subscription,
      nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })),
      { samplingInterval: sampling ?? 0, queueSize: queue ?? 10, discardOldest: true }, TimestampsToReturn.Both);
    group.on("changed", (item, dataValue) => {
      const key = item.itemToMonitor.nodeId.toString();
      if (!counts.has(key)) counts.set(key, []);
      counts.get(key).push([variant(dataValue.value), plain(dataValue.sourceTimestamp), code(dataValue.statusCode)]);
    });
    await new Promise((resolve) => group.on("initialized", resolve));
    return group.monitoredItems.filter((item) => item.statusCode && item.statusCode.isNotGood()).length;
  },
  async values({ node }) {
    return node ? counts.get(node) || [] : Object.fromEntries(counts);
  },
  async subscribe_events({ node, fields, type }) {
    await ensureSubscription(200);
    const filter = constructEventFilter(fields, type ? ofType(resolveNodeId(type)) : undefined);
    const item = await subscription.monitor({ nodeId: node, attributeId: AttributeIds.EventNotifier },
      { samplingInterval: 0, queueSize: 1000, discardOldest: true, filter }, TimestampsToReturn.Both);
    item.on("changed", (values) => {
      events.push(Object.fromEntries(fields.map((field, i) => [field, variant(values[i])])));
    });
    return subscription.subscriptionId;
  },
  async events() { return events; },
  async refresh() {
    const result = await session.call({ objectId: "i=2782", methodId: "i=3875",
      inputArguments: [new Variant({ dataType: DataType.UInt32, value: subscription.subscriptionId })] });
    return code(result.statusCode);
  },
  async history({ node, start, end, page, bounds }) {
    const found = [];
    const pages = [];
    let point = null;
    do {
      const request = new HistoryReadRequest({
        historyReadDetails: new ReadRawModifiedDetails({ isReadModified: false, startTime: start ? new Date(start) : undefined,
          endTime: end ? new Date(end) : undefined, numValuesPerNode: page, returnBounds: !!bounds }),
        nodesToRead: [new HistoryReadValueId({ nodeId: resolveNodeId(node), continuationPoint: point })],
        releaseContinuationPoints: false, timestampsToReturn: TimestampsToReturn.Both });
      const response = await session.performMessageTransaction(request);
      const result = response.results[0];
      if (result.statusCode.isBad()) return { status: code(result.statusCode), values: found, pages };
      const values = result.historyData ? result.historyData.dataValues || [] : [];
      pages.push(values.length);
      for (const v of values) found.push([plain(v.sourceTimestamp), variant(v.value), code(v.statusCode)]);
      point = result.continuationPoint;
    } while (point && point.length);
    return { status: "Good", values: found, pages };
  },
  // Pages of a raw read, each value as "milliseconds:value" in a digest: a million values need not be handed over.
  async history_digest({ node, start, end, page, most }) {
    const digest = createHash("sha256");
    let count = 0, calls = 0, point = null, longest = 0;
    do {
      const response = await session.performMessageTransaction(new HistoryReadRequest({
        historyReadDetails: new ReadRawModifiedDetails({ isReadModified: false, startTime: new Date(start),
          endTime: new Date(end), numValuesPerNode: page, returnBounds: false }),
        nodesToRead: [new HistoryReadValueId({ nodeId: resolveNodeId(node), continuationPoint: point })],
        releaseContinuationPoints: false, timestampsToReturn: TimestampsToReturn.Source }));
      const result = response.results[0];
      if (result.statusCode.isBad()) return { status: code(result.statusCode), count, calls };
      const values = result.historyData ? result.historyData.dataValues || [] : [];
      for (const v of values) digest.update(`${v.sourceTimestamp.getTime()}:${v.value.value}\n`);
      count += values.length;
      longest = Math.max(longest, values.length);
      calls += 1;
      point = result.continuationPoint;
    } while (point && point.length && (!most || count < most));
    return { status: "Good", count, calls, longest, digest: digest.digest("hex") };
  },
  async processed({ node, aggregate, start, end, interval }) {
    const response = await session.performMessageTransaction(new HistoryReadRequest({
      historyReadDetails: new ReadProcessedDetails({ startTime: new Date(start), endTime: new Date(end),
        processingInterval: interval, aggregateType: [resolveNodeId(aggregate)],
        aggregateConfiguration: new AggregateConfiguration({ useServerCapabilitiesDefaults: true }) }),
      nodesToRead: [new HistoryReadValueId({ nodeId: resolveNodeId(node) })],
      releaseContinuationPoints: false, timestampsToReturn: TimestampsToReturn.Source }));
    const result = response.results[0];
    const values = result.historyData ? result.historyData.dataValues || [] : [];
    return { status: code(result.statusCode), more: !!(result.continuationPoint && result.continuationPoint.length),
      values: values.map((v) => [v.sourceTimestamp.getTime(), variant(v.value), v.statusCode.value]) };
  },
  async close() {
    if (subscription) await subscription.terminate();
    if (session) await session.close();
    if (client) await client.disconnect();
    return true;
  },
};

// Operations of the conformance tests (tests/conformance/test_facet_client.py).
const items = new Map();    // tag -> monitored item
const arrived = [];         // [tag, value, StatusCode with its info bits]
const second = {};          // another client of the same application, to which things move
const settings = ({ policy, mode, certificates, user }) => ({
  applicationName: "FieldloomInterop", endpointMustExist: false, clientCertificateManager: certificates,
  securityMode: MessageSecurityMode[mode || "None"], securityPolicy: SecurityPolicy[policy || "None"],
  connectionStrategy: { maxRetry: 0, initialDelay: 100 }, keepSessionAlive: false, requestedSessionTimeout: 60000,
});
Object.assign(operations, {
  async discover({ url, pki }) {
    const certificates = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
    const finder = OPCUAClient.create(settings({ certificates }));
    await finder.connect(url);
    const endpoints = await finder.getEndpoints({ endpointUrl: url });
    const servers = await finder.findServers({ endpointUrl: url });
    await finder.disconnect();
    return { servers: servers.map((s) => s.applicationUri),
      endpoints: endpoints.map((e) => [e.securityPolicyUri.split("#")[1], MessageSecurityMode[e.securityMode]]) };
  },
  async browse_pages({ node, size }) {
    session.requestedMaxReferencesPerNode = size;
    let result = await session.browse({ nodeId: node, browseDirection: 0, includeSubtypes: true,
      referenceTypeId: "i=33", nodeClassMask: 0, resultMask: 63 });
    const pages = [result.references.map((r) => r.nodeId.toString())];
    while (result.continuationPoint && result.continuationPoint.length) {
      result = await session.browseNext(result.continuationPoint, false);
      pages.push(result.references.map((r) => r.nodeId.toString()));
    }
    return pages;
  },
  async read_range({ node, range }) {
    const v = await session.read({ nodeId: node, attributeId: AttributeIds.Value, indexRange: range });
    return { value: variant(v.value), status: code(v.statusCode) };
  },
  async write_range({ node, type, value, range }) {
    return code(await session.write({ nodeId: node, attributeId: AttributeIds.Value, indexRange: range,
      value: { value: { dataType: DataType[type], arrayType: VariantArrayType.Array, value } } }));
  },
  async translate({ start, path }) {
    const result = await session.translateBrowsePath(makeBrowsePath(start, path));
    return { status: code(result.statusCode), targets: (result.targets || []).map((t) => t.targetId.toString()) };
  },
  async register({ nodes }) {
    const registered = await session.registerNodes(nodes);
    const values = await session.read(registered.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
    await session.unregisterNodes(registered);
    return values.map((v) => variant(v.value));
  },
  async monitor({ tag, node, mode, queue, oldest, sampling, deadband, trigger }) {
    await ensureSubscription(100);
    const filter = deadband ? new DataChangeFilter({ trigger: DataChangeTrigger[trigger || "StatusValue"],
      deadbandType: DeadbandType[deadband[0]], deadbandValue: deadband[1] }) : undefined;
    const item = await subscription.monitor({ nodeId: node, attributeId: AttributeIds.Value },
      { samplingInterval: sampling ?? 0, queueSize: queue ?? 1, discardOldest: oldest ?? true, filter },
      TimestampsToReturn.Both, MonitoringMode[mode || "Reporting"]);
    item.on("changed", (v) => arrived.push([tag, variant(v.value), v.statusCode.value]));
    items.set(tag, item);
    return code(item.statusCode);
  },
  async arrived() { return arrived; },
  async set_mode({ tag, mode }) {
    return code((await items.get(tag).setMonitoringMode(MonitoringMode[mode])));
  },
  async set_triggering({ trigger, add, remove }) {
    const of = (tags) => (tags || []).map((tag) => items.get(tag));
    const result = await subscription.setTriggering(items.get(trigger), of(add), of(remove));
    return [...(result.addResults || []), ...(result.removeResults || [])].map(code);
  },
  async set_publishing({ enabled }) { return code(await subscription.setPublishingMode(enabled)); },
  async modify_item({ tag, queue, sampling }) {
    await items.get(tag).modify({ samplingInterval: sampling, queueSize: queue, discardOldest: true });
    return items.get(tag).result ? code(items.get(tag).statusCode) : "Good";
  },
  async listed() {
    const found = await subscription.getMonitoredItems();
    return Array.from(found.serverHandles).length;
  },
  async republish({ sequence }) {
    try {
      const response = await session.performMessageTransaction(new RepublishRequest({
        subscriptionId: subscription.subscriptionId, retransmitSequenceNumber: sequence }));
      return code(response.responseHeader.serviceResult);
    } catch (error) {
      return error.response ? code(error.response.responseHeader.serviceResult) : String(error.message);
    }
  },
  async move_session({ url, policy, mode, pki }) {
    const certificates = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
    second.client = OPCUAClient.create(settings({ policy, mode, certificates }));
    await second.client.connect(url);
    await second.client.reactivateSession(session);
    const value = await session.read({ nodeId: "i=2259", attributeId: AttributeIds.Value });
    return variant(value.value);
  },
  async transfer({ url, user, password, policy, mode, pki }) {
    const certificates = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
    second.client = OPCUAClient.create(settings({ policy, mode, certificates }));
    await second.client.connect(url);
    second.session = await second.client.createSession(
      user ? { type: UserTokenType.UserName, userName: user, password } : { type: UserTokenType.Anonymous });
    const response = await second.session.transferSubscriptions({
      subscriptionIds: [subscription.subscriptionId], sendInitialValues: true });
    const results = response.results.map((r) => code(r.statusCode));
    await second.session.deleteSubscriptions({ subscriptionIds: [subscription.subscriptionId] });
    await second.session.close();
    await second.client.disconnect();
    delete second.client;
    return results;
  },
  async described({ method }) {
    const found = await session.getArgumentDefinition(method);
    return { inputs: found.inputArguments.map((a) => a.name), outputs: found.outputArguments.map((a) => a.name) };
  },
  async leave() {
    await operations.close();
    client = session = subscription = undefined;
    items.clear();
    arrived.length = events.length = 0;
    return true;
  },
  async close_second() {
    if (second.client) await second.client.disconnect();
    delete second.client;
    return true;
  },
});

async function ensureSubscription(publishing) {
  if (subscription) return;
  subscription = ClientSubscription.create(session, { requestedPublishingInterval: publishing ?? 200,
    requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20, maxNotificationsPerPublish: 0,
    publishingEnabled: true, priority: 1 });
  await new Promise((resolve) => subscription.on("started", resolve));
}

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { id, op, ...args } = JSON.parse(line);
  try {
    say({ id, result: await operations[op](args) });
  } catch (error) {
    say({ id, error: String(error.message || error).split("\n").slice(0, 3).join(" ") });
  }
});
lines.on("close", () => process.exit(0));
