-- Beat: a node looks whether there is a new epoch.
--
-- KEYS[1]   the epoch
-- ARGV      none
-- RETURNS   its id, ms until it opens, its marks

return { epoch.id, closed(), epoch.marks }
