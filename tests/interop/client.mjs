// A node-opcua client that a test drives: one JSON request a line on stdin, one JSON answer a line on stdout.
import { createInterface } from "node:readline";
import {
  AttributeIds, ClientMonitoredItemGroup, ClientSubscription, DataType, MessageSecurityMode, NodeClass, OPCUAClient,
  ReadRawModifiedDetails, SecurityPolicy, TimestampsToReturn, UserTokenType, Variant,
  constructEventFilter, resolveNodeId, HistoryReadRequest, HistoryReadValueId, ofType,
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
  async close() {
    if (subscription) await subscription.terminate();
    if (session) await session.close();
    if (client) await client.disconnect();
    return true;
  },
};

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
