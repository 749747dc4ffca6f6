#!/usr/bin/perl

# A database in use whose owner truncates it, or takes it away: who looks in a
# file that is mapped is killed by SIGBUS, so nobody may.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $file = "$t->{dir}/country.mmdb";

# of several pages, so that addresses are all over it

$t->countries(map { my $n = $_;
                    map { ("10.$n.$_.0/24" => country($n + $_)) } 0 .. 15;
              } 0 .. 255);
cmp_ok(-s $file, '>', 4 * 4096, 'a database of several pages');

my $nginx = $t->nginx($t->conf(server => 'return  200  $gate_country;')
                      =~ s/country\.mmdb/country.mmdb reload=off/r);

my @workers = $nginx->workers;
my $before = join ' ', map { country($_ + 1) } 0 .. 255;

is(countries(), $before, 'all addresses');

truncate $file, 5000;
is(countries(), $before, 'truncated: the same');
truncate $file, 0;
is(countries(), $before, 'empty: the same');
unlink $file;
is(countries(), $before, 'gone: the same');

is_deeply([ $nginx->workers ], \@workers, 'by the same workers');
unlike($t->read_file("/proc/$_/maps"), qr/\Q$file\E/,
       'which have not mapped the file') for @workers;

$t->done;

sub country { return 'A' . chr(65 + $_[0] % 26) }

# Of each network, over some connections, so that both workers are asked.

sub countries {
    my @said;

    for my $part (0 .. 15) {
        my $client = $t->client;

        push @said, map {
            $client->request('/', from => '10.' . (16 * $part + $_) . '.1.1')
                   ->{body}
        } 0 .. 15;
    }

    return join ' ', @said;
}
