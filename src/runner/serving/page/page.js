(() => {
  "use strict";
  const models = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  let model = models[0];

  function made(tag, text, ...classes) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    element.classList.add(...classes);
    return element;
  }

  function drawn(tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  const shown = (value) => typeof value === "number" && !Number.isInteger(value)
    ? Number(value.toPrecision(4)).toString() : String(value);

  function show() {
    document.title = model.name;
    at("name").textContent = model.name;
    const file = [model.network && `${model.network} as ${model.format}`, model.about].filter(Boolean).join(", ");
    at("about").textContent = [model.task.replaceAll("_", " "), file].filter(Boolean).join(" · ");
    at("figures").replaceChildren(...Object.entries(model.metrics).map(([name, value]) => {
      const pair = made("div");
      pair.append(made("dt", name), made("dd", shown(value)));
      return pair;
    }));
    const pictures = model.accept.startsWith("image/");
    const columns = model.columns || [];
    at("drop").hidden = !model.accept;
    at("file").accept = model.accept;
    at("row").hidden = !columns.length;
    at("row").replaceChildren(...columns.map(field));
    at("writing").hidden = pictures || columns.length > 0;
    at("hint").textContent = model.takes === "sequence" ? "Or write, one text a line" : `Or JSON: ${model.form}`;
    at("send").hidden = pictures;
    at("answers").replaceChildren();
    tell("");
  }

  function field(column) {
    const label = made("label", column.name);
    const input = column.categories.length ? made("select") : made("input");
    input.dataset.column = column.name;
    input.dataset.kind = column.kind;
    if (column.categories.length) input.append(...column.categories.map((each) => new Option(each)));
    label.append(input);
    return label;
  }

  function tell(text, bad) {
    at("status").textContent = text;
    at("status").classList.toggle("bad", Boolean(bad));
  }

  async function ask(options, pictures) {
    tell("…");
    at("send").disabled = true;
    const begun = performance.now();
    try {
      const reply = await fetch(`/predict/${encodeURIComponent(model.name)}`, { method: "POST", ...options });
      const content = await reply.json();
      if (!reply.ok) throw new Error(content.error || `The server answered ${reply.status}.`);
      at("answers").replaceChildren(...content.predictions.map((each, place) => answer(each, pictures[place])));
      tell(`${content.predictions.length} answered in ${Math.round(performance.now() - begun)} ms`);
    } catch (error) {
      tell(error.message, true);
    } finally {
      at("send").disabled = false;
    }
  }

  function sendFiles(files) {
    if (!files.length) return;
    const form = new FormData();
    for (const file of files) form.append("file", file);
    ask({ body: form }, [...files].map((file) => file.type.startsWith("image/") ? URL.createObjectURL(file) : null));
  }

  function sendRow() {
    const row = {};
    for (const input of document.querySelectorAll("#row [data-column]")) {
      const number = input.dataset.kind === "number" && input.value.trim() !== "" && !Number.isNaN(Number(input.value));
      row[input.dataset.column] = input.value === "" ? null : number ? Number(input.value) : input.value;
    }
    sendJSON({ rows: [row] });
  }

  function sendText() {
    const text = at("text").value;
    if (model.takes === "sequence") sendJSON({ texts: text.split("\n").filter((line) => line.trim()) });
    else ask({ body: text, headers: { "Content-Type": "application/json" } }, []);
  }

  function sendJSON(value) {
    ask({ body: JSON.stringify(value), headers: { "Content-Type": "application/json" } }, []);
  }

  function answer(found, picture) {
    const article = made("article");
    if (picture) article.append(framed(picture, found.objects));
    const text = made("div");
    text.append(made("p", found.input, "input"));
    if (found.objects) text.append(listed(found.objects));
    else text.append(...said(found));
    article.append(text);
    return article;
  }

  function said(found) {
    const { input, prediction, probability, probabilities, ...rest } = found;
    const parts = [];
    if (prediction !== undefined) parts.push(made("h2", shown(prediction)));
    if (probabilities) parts.push(bars(Object.entries(probabilities).sort(([, one], [, two]) => two - one)));
    else if (probability !== undefined) parts.push(bars([["probability", probability]]));
    const values = Object.entries(rest);
    const shares = values.length > 0 && values.every(([, value]) => typeof value === "number" && value >= 0 && value <= 1);
    if (shares) parts.push(bars(values));
    else if (values.length) parts.push(listed([rest]));
    return parts;
  }

  function bars(pairs) {
    const list = made("ul", undefined, "bars");
    list.append(...pairs.map(([name, value]) => {
      const item = made("li");
      const meter = made("meter");
      meter.value = value;
      item.append(made("span", name), meter, made("span", `${(100 * value).toFixed(1)} %`));
      return item;
    }));
    return list;
  }

  function listed(rows) {
    if (!rows.length) return made("p", "Nothing was found.");
    const names = Object.keys(rows[0]);
    const table = made("table");
    const head = table.createTHead().insertRow();
    head.append(...names.map((name) => made("th", name)));
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const name of names) line.insertCell().textContent = shown(row[name]);
    }
    const scroll = made("div", undefined, "scroll");
    scroll.append(table);
    return scroll;
  }

  function framed(address, objects) {
    const frame = drawn("svg", { role: "img", "aria-label": "What was sent" });
    const image = new Image();
    image.onload = () => {
      const { naturalWidth: width, naturalHeight: height } = image;
      frame.setAttribute("viewBox", `0 0 ${width} ${height}`);
      frame.append(drawn("image", { href: address, width, height }));
      if (objects) frame.classList.add("wide");
      for (const each of objects || []) mark(frame, each, width);
    };
    image.src = address;
    return frame;
  }

  function mark(frame, found, width) {
    const size = width / 32;
    const words = `${found.class} ${shown(Number(found.score.toFixed(2)))}`;
    const top = Math.max(found.y1, 1.3 * size);
    frame.append(
      drawn("rect", { x: found.x1, y: found.y1, width: found.x2 - found.x1, height: found.y2 - found.y1, class: "box" }),
      drawn("rect", { x: found.x1, y: top - 1.3 * size, width: .6 * size * words.length, height: 1.3 * size, class: "mark" }),
    );
    const text = drawn("text", { x: found.x1 + .2 * size, y: top - .3 * size, "font-size": size });
    text.textContent = words;
    frame.append(text);
  }

  at("models").append(...models.map((each) => new Option(each.name)));
  at("choice").hidden = models.length < 2;
  at("models").addEventListener("change", () => {
    model = models[at("models").selectedIndex];
    show();
  });
  at("file").addEventListener("change", () => sendFiles(at("file").files));
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      at("drop").classList.toggle("over", name === "dragover");
      if (name === "drop" && model.accept) sendFiles(event.dataTransfer.files);
    });
  }
  at("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!at("row").hidden) sendRow();
    else if (at("text").value.trim()) sendText();
  });
  show();
})();
