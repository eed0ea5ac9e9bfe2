-- @noindex
-- A small window with what the daemon is doing, and buttons. Needs REAPER 6.30 or newer, no extensions.

local panel = {}
local WIDTH, LINE, MARGIN = 420, 20, 8
local ROWS = 9
local CLOSED, ESCAPE = -1, 27
local is_pressed = false

function panel.open()
  gfx.init("Stem Bridge: auto-import", WIDTH, ROWS * LINE + 2 * MARGIN)
  gfx.setfont(1, "Arial", 15)
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
  gfx.x, gfx.y = MARGIN, MARGIN + (row - 1) * LINE
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

-- Draws the lines and returns what was clicked, or nil.
function panel.draw(lines, asks)
  fill(0, 0, gfx.w, gfx.h, 0.2)
  local clicked
  local is_down = gfx.mouse_cap & 1 == 1
  for row = 1, math.min(ROWS, #lines) do
    local top = MARGIN + (row - 1) * LINE
    local is_over = gfx.mouse_y >= top and gfx.mouse_y < top + LINE
    if asks[row] then
      fill(MARGIN, top, gfx.w - 2 * MARGIN, LINE - 2, is_over and 0.45 or 0.33)
      if is_over and is_down and not is_pressed then clicked = asks[row] end
    end
    write(row, lines[row])
  end
  is_pressed = is_down
  gfx.update()
  return clicked
end

return panel
