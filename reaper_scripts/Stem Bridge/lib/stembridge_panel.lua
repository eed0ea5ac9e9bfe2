-- @noindex
-- A small window with what the daemon is doing, and buttons. Needs REAPER 6.30 or newer, no extensions.

local panel = {}
local WIDTH, LINE, MARGIN = 420, 20, 8
local ROWS = 9
local HEIGHT = ROWS * LINE + 2 * MARGIN
local CLOSED, ESCAPE = -1, 27
local is_pressed = false
local drawn, scale -- what the window shows, and how much larger than planned

function panel.open()
  gfx.ext_retina = 1 -- before the window opens: it has as many pixels as the screen
  gfx.init("Stem Bridge: auto-import", WIDTH, HEIGHT)
end

function panel.close()
  gfx.quit()
end

-- Says whether the user closed the window.
function panel.is_closed()
  local key = gfx.getchar()
  return key == CLOSED or key == ESCAPE
end

local function write(row, text)
  gfx.x, gfx.y = MARGIN * scale, (MARGIN + (row - 1) * LINE) * scale
  gfx.drawstr(text)
end

local function file_of(path)
  return path:match("([^/\\]+)$") or path
end

local function fill(x, y, w, h, shade)
  gfx.set(shade, shade, shade, 1)
  gfx.rect(x, y, w, h, 1)
  gfx.set(0.9, 0.9, 0.9, 1)
end

-- Returns the lines to show and, for lines that can be clicked, what they ask of the daemon.
function panel.lines(status, is_alive, note)
  if not is_alive then return { "The daemon is not running. Click here to start it.", note }, { { start = true } } end
  local lines, asks = {}, {}
  local waiting = 0
  for state, count in pairs(status.counts or {}) do
    if state ~= "running" then waiting = waiting + count end
  end
  local current = status.current
  if current then
    local left = current.seconds_left and (", %d s left"):format(math.floor(current.seconds_left)) or ""
    table.insert(lines, ("%s: %s %d%%%s"):format(file_of(current.render), current.stage, current.percent, left))
    table.insert(lines, "    cancel it")
    asks[#lines] = { ["do"] = "cancel", work = current.id }
  else
    table.insert(lines, "Nothing to do.")
  end
  if waiting > 0 then table.insert(lines, ("%d waiting"):format(waiting)) end
  if (status.paused_by or "") ~= "" then table.insert(lines, status.paused_by) end
  for i, failed in ipairs(status.failed or {}) do
    if i > 2 then break end
    table.insert(lines, ("%s: %s"):format(file_of(failed.render), failed.reason))
  end
  if status.failed and #status.failed > 0 then
    table.insert(lines, "    try again what failed")
    asks[#lines] = { ["do"] = "retry", work = "all" }
  end
  if note then table.insert(lines, note) end
  return lines, asks
end

-- Returns the row under the mouse where it can be clicked, or 0.
local function row_under_mouse(asks)
  local row = math.floor((gfx.mouse_y / scale - MARGIN) / LINE) + 1
  local is_inside = gfx.mouse_x >= 0 and gfx.mouse_x < gfx.w
  return is_inside and row <= ROWS and asks[row] and row or 0
end

local function draw_all(lines, asks, under)
  fill(0, 0, gfx.w, gfx.h, 0.2)
  gfx.setfont(1, "Arial", math.floor(15 * scale))
  for row = 1, math.min(ROWS, #lines) do
    if asks[row] then
      local top, shade = (MARGIN + (row - 1) * LINE) * scale, row == under and 0.45 or 0.33
      fill(MARGIN * scale, top, gfx.w - 2 * MARGIN * scale, (LINE - 2) * scale, shade)
    end
    write(row, lines[row])
  end
  gfx.update()
end

-- Draws the lines where they or the window changed, in letters as large as the window allows, and returns what was
-- clicked, or nil.
function panel.draw(lines, asks)
  scale = math.max(1, math.min(gfx.w / WIDTH, gfx.h / HEIGHT))
  local under = row_under_mouse(asks)
  local is_down = gfx.mouse_cap & 1 == 1
  local wanted = table.concat({ gfx.w, gfx.h, under, table.concat(lines, "\n") }, " ")
  if wanted ~= drawn then
    draw_all(lines, asks, under)
    drawn = wanted
  end
  local clicked = is_down and not is_pressed and asks[under] or nil
  is_pressed = is_down
  return clicked
end

return panel
