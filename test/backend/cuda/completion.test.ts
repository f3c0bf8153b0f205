import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Completion } from '../../../src/backend/cuda/completion.js'
import type { Event } from '../../../src/backend/cuda/driver/event.js'

const TURN = 0.01

/** Time that only passes while somebody waits. */
function fakeTime() {
  const clock = { now: 0, turns: 0 }
  const pass = async (milliseconds: number) => {
    clock.now += milliseconds
  }
  const completion = new Completion({
    now: () => clock.now,
    sleep: pass,
    turn: () => {
      clock.turns++
      return pass(TURN)
    },
  })
  /** How long a step of that length was waited for, and in how many turns of the event loop. */
  const wait = async (length: number, kind: object) => {
    const [start, turns] = [clock.now, clock.turns]
    const done = {
      get isDone() {
        return clock.now >= start + length
      },
    }
    await completion.of(done as Event, kind)
    return { waited: clock.now - start, turns: clock.turns - turns }
  }
  return { wait }
}

test('a long step is slept through when it comes again, all but its end, and is not noticed late', async () => {
  const { wait } = fakeTime()
  const kind = {}
  const first = await wait(60, kind)
  const second = await wait(60, kind)
  assert.ok(second.turns < first.turns / 10, `${second.turns} turns after ${first.turns}`)
  assert.ok(second.waited < 60 + 2 * TURN)
})

test('a long step of another kind delays nothing', async () => {
  const { wait } = fakeTime()
  await wait(200, {})
  assert.ok((await wait(3, {})).waited < 3 + 2 * TURN)
})

test('an estimate that has become too long is halved by each step', async () => {
  const { wait } = fakeTime()
  const kind = {}
  await wait(200, kind)
  const waited: number[] = []
  for (let i = 0; i < 8; i++) waited.push((await wait(3, kind)).waited)
  for (const [i, milliseconds] of waited.entries())
    assert.ok(milliseconds <= Math.max(200 / 2 ** (i + 1), 3 + 2 * TURN))
})
