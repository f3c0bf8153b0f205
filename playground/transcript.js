// What was said, token by token.
const UNLIKELY = 0.1
const UNSURE = 0.5

export class Transcript {
  constructor(element, tip) {
    this.element = element
    this.tip = tip
    for (const type of ['mouseover', 'focusin']) element.addEventListener(type, (event) => this.show(event.target))
    for (const type of ['mouseout', 'focusout']) element.addEventListener(type, () => this.hide())
    // One token is a stop of the Tab key; arrows lead to the others.
    element.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
      if (!step) return
      const tokens = [...element.querySelectorAll('.token')]
      const next = tokens[tokens.indexOf(document.activeElement) + step] ?? tokens[0]
      next?.focus()
      if (next) event.preventDefault()
    })
  }

  clear() {
    this.element.replaceChildren()
    this.hide()
  }

  begin(who, text) {
    this.turn = document.createElement('p')
    this.turn.className = 'turn'
    const name = document.createElement('span')
    name.className = 'who'
    name.textContent = who
    this.turn.append(name)
    if (text) {
      const given = document.createElement('span')
      given.className = 'given'
      given.textContent = text
      this.turn.append(given)
    }
    this.element.append(this.turn)
  }

  /** `likely`: [token, log-probability] pairs, best first; absent where probabilities were not asked for. */
  add(text, logprob, likely) {
    const atEnd = this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight < 40
    if (logprob === undefined) this.turn.append(text)
    else {
      const probability = Math.exp(logprob)
      const token = document.createElement('span')
      token.className = `token${probability < UNLIKELY ? ' unlikely' : probability < UNSURE ? ' unsure' : ''}`
      token.tabIndex = -1
      token.textContent = text
      const lines = [[text, logprob], ...likely.filter(([other]) => other !== text)]
      token.dataset.tip = lines.map(([each, value]) => `${percent(value)}  ${JSON.stringify(each)}`).join('\n')
      token.setAttribute('aria-label', `${text} (${percent(logprob).trim()})`)
      this.turn.append(token)
    }
    if (atEnd) this.element.scrollTop = this.element.scrollHeight
  }

  show(target) {
    if (!target.dataset?.tip) return
    const { left, bottom } = target.getBoundingClientRect()
    this.tip.textContent = target.dataset.tip
    this.tip.hidden = false
    this.tip.style.left = `${Math.max(8, Math.min(left, innerWidth - this.tip.offsetWidth - 8))}px`
    this.tip.style.top = `${bottom + this.tip.offsetHeight + 8 > innerHeight ? bottom - this.tip.offsetHeight - 28 : bottom + 6}px`
  }

  hide() {
    this.tip.hidden = true
  }
}

function percent(logprob) {
  return `${(100 * Math.exp(logprob)).toFixed(1)} %`.padStart(7)
}
