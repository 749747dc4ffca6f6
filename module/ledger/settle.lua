-- Settle: gives back what an account's node has not spent, so that its share
-- is what was delivered.
--
-- KEYS, ARGV, RETURNS: as account.lua says, whose text stands in front; need,
-- more and lease are not looked at.

for _, q in ipairs(quotas) do
    if q.slot > 0 and q.slot < q.slot_now and q.slot >= q.kept then
        share(q, q.slot, q.spent)
    end

    share(q, q.slot_now, q.stated)
end

return done()
