// An operator's and an engineer's alarm client made with node-opcua: one JSON request a line in, one JSON answer a line out.
import { createInterface } from "node:readline";
import {
  AttributeIds, ClientSubscription, DataType, LocalizedText, MessageSecurityMode, OPCUAClient, SecurityPolicy,
  TimestampsToReturn, UserTokenType, constructEventFilter, installAlarmMonitoring, ofType, resolveNodeId,
} from "node-opcua-client";
import {
  acknowledgeCondition, callConditionRefresh, confirmCondition, extractConditionFields, fieldsToJson,
} from "node-opcua-alarm-condition";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";

const users = new Map();    // name -> { client, session }
const events = [];
let fields, subscription, list, plant;

const hex = (value) => (value ? value.toString("hex") : "");
const value = (field) => {
  const v = field ? field.value : null;
  if (v === null || v === undefined) return null;
  if (Buffer.isBuffer(v)) return v.toString("hex");
  if (v instanceof Date) return v.toISOString();
  if (v instanceof LocalizedText) return v.text;
  if (typeof v === "object" && v.constructor.name === "NodeId") return v.toString();
  if (typeof v === "object" && "name" in v && "value" in v) return v.value;      // a StatusCode
  return v;
};

async function enter(url, pki, name, [user, password]) {
  const certificates = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await certificates.initialize();
  const client = OPCUAClient.create({
    applicationName: `FieldloomAlarms-${name}`, endpointMustExist: false, clientCertificateManager: certificates,
    securityMode: MessageSecurityMode.None, securityPolicy: SecurityPolicy.None,
    connectionStrategy: { maxRetry: 0, initialDelay: 100 }, requestedSessionTimeout: 120000,
  });
  await client.connect(url);
  users.set(name, { client, session: await client.createSession({ type: UserTokenType.UserName, userName: user, password }) });
}

// Methods of the types that node-opcua has no function of its own for, by number in namespace 0.
const METHODS = {
  comment: "i=9029", enable: "i=9027", disable: "i=9028",
};

const operations = {
  async connect({ url, pki, names, more, methods }) {
    for (const [name, credentials] of Object.entries(names)) await enter(url, `${pki}-${name}`, name, credentials);
    Object.assign(METHODS, methods);
    const { session } = users.get("operator");
    const array = (await session.read({ nodeId: "i=2255", attributeId: AttributeIds.Value })).value.value;
    plant = array.indexOf("urn:fieldloom:plant");
    subscription = ClientSubscription.create(session, { requestedPublishingInterval: 50,
      requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20, publishingEnabled: true, priority: 1 });
    await new Promise((resolve) => subscription.on("started", resolve));
    fields = [...await extractConditionFields(session, "AlarmConditionType"), ...more];
    const item = await subscription.monitor({ nodeId: "i=2253", attributeId: AttributeIds.EventNotifier },
      { samplingInterval: 0, queueSize: 1000, discardOldest: true,
        filter: constructEventFilter(fields, ofType(resolveNodeId("AlarmConditionType"))) }, TimestampsToReturn.Both);
    item.on("changed", (seen) => {
      const named = fieldsToJson(fields, seen, true);
      events.push(Object.fromEntries(Object.entries(named).map(([path, field]) => [path, value(field)])));
    });
    list = await installAlarmMonitoring(session);
    return { fields: fields.length };
  },
  async act({ verb, condition, event, comment, seconds, user }) {
    const { session } = users.get(user);
    const conditionId = `ns=${plant};s=${condition}`, id = Buffer.from(event || "", "hex");
    if (verb === "acknowledge") return (await acknowledgeCondition(session, conditionId, id, comment || "")).name;
    if (verb === "confirm") return (await confirmCondition(session, conditionId, id, comment || "")).name;
    const inputArguments = [];
    if (verb === "comment") {
      inputArguments.push({ dataType: DataType.ByteString, value: id },
        { dataType: DataType.LocalizedText, value: new LocalizedText({ text: comment, locale: "en" }) });
    }
    if (verb === "shelve") inputArguments.push({ dataType: DataType.Double, value: seconds * 1000 });
    const shelving = ["shelve", "shelve-once", "unshelve"].includes(verb);
    const result = await session.call({ objectId: shelving ? `${conditionId}/ShelvingState` : conditionId,
      methodId: METHODS[verb], inputArguments });
    return result.statusCode.name;
  },
  async events({ from, count }) {
    const end = Date.now() + 10000;
    while (events.length < from + count && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    return events.slice(from);
  },
  async alarms({}) {
    // What the client's own alarm list holds of it: id, EventId, Retain.
    return list.alarms().map((alarm) => [alarm.conditionId.toString(), hex(alarm.eventId), alarm.getRetain()]);
  },
  async refresh({}) {
    await callConditionRefresh(users.get("operator").session, subscription.subscriptionId);
    return {};
  },
  async close({}) {
    for (const { client, session } of users.values()) { await session.close(); await client.disconnect(); }
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...given } = JSON.parse(line);
  try {
    process.stdout.write(JSON.stringify({ id, result: await operations[op](given) }) + "\n");
  } catch (error) {
    process.stdout.write(JSON.stringify({ id, error: String(error && error.stack || error) }) + "\n");
  }
  if (op === "close") process.exit(0);
}
