"""What scripts see of Lua: the strict tables `reaper` and `gfx`, true light userdata for pointers, no globals."""

from __future__ import annotations

__all__ = ["SETUP"]

SETUP = rb"""
local exists, call, own_os, draw, locate = ...
local pointers, numbers, keep = {}, {}, {}

-- A true light userdata for a number: equal only to itself, cannot be indexed; the kept closure keeps it alive.
local function pointer(number)
  if not pointers[number] then
    local cell = {}
    local closure = function() return cell end
    local made = debug.upvalueid(closure, 1)
    pointers[number], numbers[made], keep[number] = made, number, closure
  end
  return pointers[number]
end

local function finish(ok, are_pointers, ...)
  if not ok then error(are_pointers, 3) end
  local results = table.pack(...)
  for i = 1, results.n do
    if are_pointers:sub(i, i) == "p" then results[i] = pointer(results[i]) end
  end
  return table.unpack(results, 1, results.n)
end

local function wrap(name)
  return function(...)
    local args, types = table.pack(...), {}
    for i = 1, args.n do
      types[i] = type(args[i])
      if types[i] == "userdata" then args[i] = numbers[args[i]] or -1 end
    end
    return finish(call(name, table.concat(types, " "), table.unpack(args, 1, args.n)))
  end
end

local reaper = setmetatable({}, {
  __index = function(_, name) return exists(name) and wrap(name) or nil end,
  __newindex = function(_, name) error("the reaper table is read-only: " .. tostring(name), 2) end,
})

local drawing = { x = 0, y = 0, w = 0, h = 0, mouse_x = 0, mouse_y = 0, mouse_cap = 0, ext_retina = 0 }
local gfx = setmetatable({}, {
  __index = function(_, name)
    if drawing[name] ~= nil then return drawing[name] end
    if not draw.knows(name) then return nil end
    return function(...)
      local results = table.pack(draw.call(name, drawing, ...))
      if results[1] == false then error(results[2], 2) end
      return table.unpack(results, 2, results.n)
    end
  end,
  __newindex = function(_, name, value)
    if drawing[name] == nil then error("gfx has no variable " .. tostring(name), 2) end
    drawing[name] = value
  end,
})

-- As on Windows: no file takes the place of another, and no folder is renamed, since a file in it may be open.
local function rename(from, to)
  for _, name in ipairs({ locate(to), locate(from) .. "/." }) do
    local there = io.open(name, "rb")
    if there then
      there:close()
      return nil, name .. ": Permission denied", 13
    end
  end
  return os.rename(locate(from), locate(to))
end

local function open(path, mode) return io.open(locate(path), mode) end
local function remove(path) return os.remove(locate(path)) end

local function strict_globals()
  local env = { reaper = reaper, gfx = gfx, package = { config = own_os .. "\n;\n?\n!\n-\n" } }
  local allowed = "assert debug error getmetatable io ipairs load math next os pairs pcall print rawequal rawget "
    .. "rawlen rawset select setmetatable string table tonumber tostring type utf8 xpcall"
  for name in allowed:gmatch("%w+") do
    env[name] = _G[name]
  end
  env.os = setmetatable({ rename = rename, remove = remove }, { __index = os })
  env.io = setmetatable({ open = open }, { __index = io })
  local function refuse(_, name) error("global variable '" .. tostring(name) .. "'", 2) end
  return setmetatable({}, { __index = setmetatable(env, { __index = refuse }), __newindex = refuse })
end

local function run(text, name, read)
  local env = strict_globals()
  getmetatable(env).__index.dofile = function(path)
    return assert(load(read(path), "@" .. path, "t", env))()
  end
  getmetatable(env).__index.loadfile = function(path, mode, own)
    local found, body = pcall(read, path)
    if not found then return nil, "cannot open " .. path end
    return load(body, "@" .. path, mode or "t", own or env)
  end
  return assert(load(text, "@" .. name, "t", env))()
end

return run, function(f) return f() end
"""
