"use strict";
// Draws the interactive charts over the still ones. Where anything fails the still ones stay.
(function () {
  if (typeof Chart === "undefined") return;
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const charts = [];

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }
  const percent = (log) => {
    const value = 100 * Math.expm1(log);
    return (value > 0 ? "+" : "") + value.toFixed(Math.abs(value) < 10 && Math.abs(value - Math.round(value)) > 1e-9 ? 1 : 0) + " %";
  };
  const bytes = (v) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    while (v >= 1024 && i < units.length - 1) { v /= 1024; ++i; }
    return v.toFixed(i === 0 || v >= 100 ? 0 : 1) + " " + units[i];
  };
  const ms = (v) => (v >= 100 ? v.toFixed(0) : v.toPrecision(3)) + " ms";
  const median = (values) => {
    const sorted = values.slice().sort((x, y) => x - y);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };
  const armColor = (index) => color(["a", "b", "c"][index] || "c");

  function axis(title, more) {
    return Object.assign({
      title: { display: true, text: title, color: color("soft") },
      ticks: { color: color("soft"), autoSkip: true, maxRotation: 60 },
      grid: { color: color("line") },
    }, more || {});
  }
  // A logarithmic axis whose ticks are 1, 2 and 5 times a power of ten, or whatever there is between.
  function logAxis(title, values) {
    const good = values.filter((v) => v > 0);
    if (good.length === 0) return axis(title);
    const low = Math.min(...good) / 1.25, high = Math.max(...good) * 1.25;
    return axis(title, {
      type: "logarithmic", min: low, max: high,
      afterBuildTicks: (scale) => {
        const ticks = [];
        for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power)
          for (const m of high / low > 200 ? [1] : high / low > 4 ? [1, 2, 5] : [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]) {
            const value = m * Math.pow(10, power);
            if (value >= low && value <= high) ticks.push({ value });
          }
        scale.ticks = ticks;
      },
      ticks: { color: color("soft"), callback: (v) => String(Number(v.toPrecision(3))) },
    });
  }
  // Ticks at round percentages of a log-ratio axis, zero first, then whatever has room beside it.
  function percentTicks(low, high) {
    const round = [0, -50, 50, 100, -25, 25, -75, 200, -10, 10, -90, 400, -5, 5, -40, -60, -80, 75, 150, -15, 15, -30, -20, 30,
                   -95, -2, 2, -1, 1, -99, 900];
    const kept = [];
    for (const value of round) {
      const log = Math.log1p(value / 100);
      if (log < low || log > high) continue;
      if (kept.every((k) => Math.abs(k.value - log) > (high - low) / 14)) kept.push({ value: log });
    }
    return kept.sort((x, y) => x.value - y.value);
  }
  // The step of an axis of bytes: 1, 2 or 5 times a power of ten of its unit.
  function byteStep(most) {
    let unit = 1;
    while (most / unit >= 1024) unit *= 1024;
    const rough = most / unit / 5;
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    return unit * power * [1, 2, 5, 10].find((m) => m * power >= rough);
  }
  function box(figure, height) {
    const live = figure.querySelector(".live");
    const frame = document.createElement("div");
    frame.className = "canvas-box";
    if (height) frame.style.height = height;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", figure.querySelector("figcaption").textContent);
    frame.appendChild(canvas);
    live.appendChild(frame);
    figure.classList.add("is-live");
    return canvas;
  }
  function draw(canvas, config) {
    config.options = Object.assign({ responsive: true, maintainAspectRatio: false, animation: false },
                                   config.options);
    const plugins = config.options.plugins = config.options.plugins || {};
    plugins.legend = Object.assign({ labels: { color: color("ink"), usePointStyle: true } },
                                   plugins.legend || {});
    if (plugins.title) plugins.title = Object.assign({ color: color("ink"), display: true }, plugins.title);
    charts.push(new Chart(canvas, config));
  }

  const builders = {
    paired_slopegraph(figure) {
      const pairs = data.pairs.filter((p) => p.complete && p.a > 0 && p.b > 0);
      if (pairs.length === 0) return;
      const sets = pairs.map((p) => ({
        label: "pair " + p.pair + ", order " + p.order, data: [p.a, p.b], borderColor: color(p.ab ? "a" : "b"),
        backgroundColor: color(p.ab ? "a" : "b"), borderDash: p.ab ? [] : [6, 4], borderWidth: 1.5, pointRadius: 3.5,
      }));
      sets.push({
        label: "median of the pairs", data: [median(pairs.map((p) => p.a)), median(pairs.map((p) => p.b))],
        borderColor: color("ink"), backgroundColor: color("ink"), borderWidth: 4, pointRadius: 5,
      });
      draw(box(figure), {
        type: "line", data: { labels: data.arms, datasets: sets },
        options: {
          interaction: { mode: "nearest", intersect: false },
          scales: { x: axis("mode", { offset: true }),
                    y: logAxis("replay TTFC p95, ms (log)", pairs.flatMap((p) => [p.a, p.b])) },
          plugins: { legend: { position: "right" },
                     tooltip: { callbacks: { label: (i) => i.dataset.label + ": " + ms(i.parsed.y) } } },
        },
      });
    },

    effect_forest(figure) {
      const rows = [];
      for (const p of data.pairs)
        if (p.complete && p.effect !== null)
          rows.push({ label: "pair " + p.pair + " (" + p.order + ")", estimate: p.effect, kind: "pair" });
      for (const p of data.pooled) rows.push(Object.assign({ kind: "pooled" }, p));
      for (const p of data.secondary) rows.push(Object.assign({ kind: "secondary" }, p));
      if (rows.length === 0) return;
      const names = rows.map((r) => r.label + (r.decides ? " (decides)" : ""));
      const look = { pair: "a", pooled: "ink", secondary: "c" };
      const sets = rows.map((r, i) => ({
        label: names[i], showLine: r.low !== undefined, borderColor: color(look[r.kind]),
        backgroundColor: color(look[r.kind]), borderWidth: r.decides ? 5 : 2,
        pointRadius: r.low === undefined ? [4] : [0, r.decides ? 7 : 5, 0], pointStyle: r.kind === "pair" ? "circle" : "rectRot",
        pointHitRadius: 12,
        data: r.low === undefined ? [{ x: r.estimate, y: i }]
                                  : [{ x: r.low, y: i }, { x: r.estimate, y: i }, { x: r.high, y: i }],
        row: r,
      }));
      const all = rows.flatMap((r) => [r.estimate, r.low, r.high]).filter((v) => Number.isFinite(v));
      const reach = Math.max(data.margin * 2, ...all.map(Math.abs)) * 0.06;
      const low = Math.min(-data.margin, ...all) - reach, high = Math.max(data.margin, ...all) + reach;
      const band = {
        id: "margin-band",
        beforeDatasetsDraw(chart) {
          const { ctx, chartArea: area, scales: { x } } = chart;
          ctx.save();
          ctx.fillStyle = color("band");
          const from = x.getPixelForValue(-data.margin), to = x.getPixelForValue(data.margin);
          ctx.fillRect(from, area.top, to - from, area.bottom - area.top);
          ctx.strokeStyle = color("soft");
          ctx.beginPath();
          ctx.moveTo(x.getPixelForValue(0), area.top);
          ctx.lineTo(x.getPixelForValue(0), area.bottom);
          ctx.stroke();
          ctx.restore();
        },
      };
      draw(box(figure, 6 + 1.7 * rows.length + "rem"), {
        type: "scatter", data: { datasets: sets }, plugins: [band],
        options: {
          scales: {
            x: axis(data.arms[1] + " against " + data.arms[0] + "; left of the band: " + data.arms[1] +
                    " is lower; band: margin of " + data.margin_pct + " %",
                    { min: low, max: high, afterBuildTicks: (scale) => { scale.ticks = percentTicks(low, high); },
                      ticks: { color: color("soft"), autoSkip: false, callback: percent } }),
            y: axis("", { title: { display: false }, min: -0.6, max: rows.length - 0.4, reverse: true,
                          grid: { display: false }, afterBuildTicks: (s) => { s.ticks = rows.map((r, i) => ({ value: i })); },
                          ticks: { color: color("ink"), autoSkip: false, callback: (v) => names[v] } }),
          },
          plugins: {
            legend: { display: false },
            tooltip: { callbacks: { label: (i) => {
              const r = i.dataset.row;
              return i.dataset.label + ": " + percent(r.estimate) +
                     (r.low === undefined ? "" : " [" + percent(r.low) + ", " + percent(r.high) + "]");
            } } },
          },
        },
      });
    },

    tier_hits(figure) {
      for (const tier of data.hits) {
        draw(box(figure, "17rem"), {
          data: {
            labels: tier.legs.map((l) => l.label),
            datasets: [
              { type: "line", label: "counted by the engine", data: tier.legs.map((l) => l.actual), showLine: false,
                borderColor: color("b"), backgroundColor: color("b"), pointRadius: 5, pointStyle: "circle" },
              { type: "bar", label: "expected, low to high", data: tier.legs.map((l) => [l.low, l.high]),
                backgroundColor: color("band"), borderColor: color("soft"), borderWidth: 1, borderSkipped: false,
                minBarLength: 4, pointStyle: "rect" },
            ],
          },
          options: {
            scales: { x: axis("leg"), y: axis("blocks", { beginAtZero: true }) },
            plugins: { title: { text: "tier: " + tier.tier } },
          },
        });
      }
    },

    phase_bytes(figure) {
      for (const phase of data.bytes) {
        const legs = phase.legs;
        const dots = (label, key, name, style) => ({
          type: "line", label, data: legs.map((l) => l[key]), showLine: false, borderColor: color(name),
          backgroundColor: color("paper"), borderWidth: 2, pointRadius: 6, pointStyle: style,
        });
        const bars = (label, key, name) => ({
          type: "bar", label, data: legs.map((l) => l[key]), backgroundColor: color(name), pointStyle: "rect",
          grouped: false, barPercentage: 0.55,
        });
        const any = (key) => legs.some((l) => l[key] > 0);
        const sets = [];
        if (any("system_read") || any("engine_read"))
          sets.push(dots("read, operating system", "system_read", "ink", "circle"), bars("read, engine", "engine_read", "a"));
        if (any("system_written") || any("engine_written"))
          sets.push(dots("written, operating system", "system_written", "ink", "triangle"),
                    bars("written, engine", "engine_written", "b"));
        if (sets.length === 0) continue;
        const most = Math.max(...legs.flatMap((l) => [l.engine_read, l.system_read, l.engine_written, l.system_written]));
        draw(box(figure, "17rem"), {
          data: { labels: legs.map((l) => l.label), datasets: sets },
          options: {
            scales: { x: axis("leg"),
                      y: axis("bytes", { beginAtZero: true, ticks: { color: color("soft"), stepSize: byteStep(most), callback: bytes } }) },
            plugins: { title: { text: "phase: " + phase.phase },
                       tooltip: { callbacks: { label: (i) => i.dataset.label + ": " + bytes(i.parsed.y) } } },
          },
        });
      }
    },

    ttfc_ecdf(figure) {
      if (data.ecdf.length === 0) return;
      draw(box(figure), {
        type: "scatter",
        data: { datasets: data.ecdf.map((arm, i) => ({
          label: arm.arm + " (" + arm.n + " requests)", data: arm.points.map(([x, y]) => ({ x, y })), showLine: true,
          stepped: "before", pointRadius: 0, pointHitRadius: 8, borderWidth: 2.5, borderColor: armColor(i),
          backgroundColor: armColor(i), borderDash: i === 0 ? [] : [7, 3],
        })) },
        options: {
          interaction: { mode: "nearest", intersect: false },
          scales: { x: logAxis("replay TTFC, ms (log)", data.ecdf.flatMap((a) => a.points.map((p) => p[0]))),
                    y: axis("share of the requests", { min: 0, max: 1 }) },
          plugins: { tooltip: { callbacks: { label: (i) =>
            i.dataset.label + ": " + (100 * i.parsed.y).toFixed(0) + " % within " + ms(i.parsed.x) } } },
        },
      });
    },

    run_order(figure) {
      const legs = data.run_order;
      const modes = Array.from(new Set(legs.map((l) => l.mode))).sort();
      const values = legs.map((l) => l.p95).filter((v) => v > 0);
      if (values.length === 0) return;
      draw(box(figure, "17rem"), {
        type: "line",
        data: {
          labels: legs.map((l) => l.label),
          datasets: modes.map((mode, i) => ({
            label: mode, data: legs.map((l) => (l.mode === mode ? l.p95 : null)), spanGaps: true, borderWidth: 1,
            borderColor: armColor(i), backgroundColor: armColor(i), pointRadius: 5, pointStyle: ["circle", "rect", "triangle"][i],
          })),
        },
        options: {
          scales: { x: axis("leg, in the order in which they ran"), y: logAxis("replay TTFC p95, ms (log)", values) },
          plugins: { tooltip: { callbacks: { label: (i) => i.dataset.label + ": " + ms(i.parsed.y) } } },
        },
      });
    },
  };

  function drawAll() {
    for (const chart of charts.splice(0)) chart.destroy();
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const builder = builders[figure.dataset.chart];
      if (!builder) continue;
      figure.querySelector(".live").replaceChildren();
      figure.classList.remove("is-live");
      try {
        builder(figure);
      } catch (error) {
        figure.classList.remove("is-live");
        console.error(error);
      }
    }
  }
  drawAll();
  if (window.matchMedia) window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => { for (const chart of charts) chart.resize(); });
})();
