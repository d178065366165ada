// Aggregates as node-opcua calculates them: cases as JSON on the input, results as JSON on the output.
//
// A case: {values: [[ms, number, 0 Good 1 Uncertain 2 Bad]], start, end, width, stepped, uncertainIsBad, good, bad, sloped}.
// A result: {name: [[ms, number or null, StatusCode]]}.
import { readFileSync } from 'node:fs'
import {
  getAverageData, getCountData, getDurationBadData, getDurationGoodData, getInterpolatedData, getMaxData, getMinData,
  getPercentBadData, getPercentGoodData,
} from 'node-opcua-aggregates'
import { DataType, DataValue, HistoryData, HistoryReadResult, NodeClass, StatusCodes } from 'node-opcua-client'

const CALCULATED = {
  Average: getAverageData,
  Count: getCountData,
  DurationBad: getDurationBadData,
  DurationGood: getDurationGoodData,
  Interpolative: getInterpolatedData,
  Maximum: getMaxData,
  Minimum: getMinData,
  PercentBad: getPercentBadData,
  PercentGood: getPercentGoodData,
}

const SEVERITIES = [StatusCodes.Good, StatusCodes.UncertainLastUsableValue, StatusCodes.BadSensorFailure]
const property = (value) => ({ readValue: () => ({ value: { value } }) })

// What the library asks of a Variable: its configuration, and all its values whatever range it asks for.
function variable(one) {
  const dataValues = one.values.map(([time, value, severity]) => new DataValue({
    sourceTimestamp: new Date(time), statusCode: SEVERITIES[severity], value: { dataType: DataType.Double, value },
  }))
  return {
    nodeClass: NodeClass.Variable,
    $historicalDataConfiguration: {
      stepped: property(one.stepped),
      aggregateConfiguration: {
        percentDataBad: property(one.bad),
        percentDataGood: property(one.good),
        treatUncertainAsBad: property(one.uncertainIsBad),
        useSlopedExtrapolation: property(one.sloped),
      },
    },
    historyRead: (context, details, range, encoding, points, callback) =>
      callback(null, new HistoryReadResult({ historyData: new HistoryData({ dataValues }) })),
  }
}

async function calculated(one) {
  const found = {}
  for (const [name, calculate] of Object.entries(CALCULATED)) {
    const results = await new Promise((resolve, reject) =>
      calculate(variable(one), one.width, new Date(one.start), new Date(one.end), (error, values) =>
        error ? reject(error) : resolve(values)))
    found[name] = results.map((each) => [
      each.sourceTimestamp.getTime(),
      each.value.dataType === DataType.Null ? null : each.value.value,
      each.statusCode.value,
    ])
  }
  return found
}

const results = []
for (const one of JSON.parse(readFileSync(0, 'utf8'))) results.push(await calculated(one))
process.stdout.write(JSON.stringify(results), () => process.exit(0))
