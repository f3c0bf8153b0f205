// Small line charts of the last minute.
const POINTS = 60
const SVG = 'http://www.w3.org/2000/svg'

export class Chart {
  constructor(parent, label, format) {
    this.values = []
    this.format = format
    this.label = label
    const figure = document.createElement('figure')
    const caption = document.createElement('figcaption')
    this.shown = document.createElement('b')
    this.shown.textContent = '–'
    caption.append(label, this.shown)
    this.svg = document.createElementNS(SVG, 'svg')
    this.svg.setAttribute('class', 'chart')
    this.svg.setAttribute('role', 'img')
    this.svg.setAttribute('viewBox', `0 0 ${POINTS - 1} 40`)
    this.svg.setAttribute('preserveAspectRatio', 'none')
    this.line = document.createElementNS(SVG, 'polyline')
    this.svg.append(this.line)
    figure.append(caption, this.svg)
    parent.append(figure)
  }

  push(value) {
    this.values = [...this.values, value].slice(-POINTS)
    const most = Math.max(...this.values, 1e-9)
    const left = POINTS - this.values.length
    this.line.setAttribute('points', this.values.map((each, i) => `${left + i},${38 - (36 * each) / most}`).join(' '))
    this.shown.textContent = this.format(value)
    this.svg.setAttribute('aria-label', `${this.label}: ${this.format(value)} now, at most ${this.format(most)}`)
  }
}
