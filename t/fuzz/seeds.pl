#!/usr/bin/perl

# Small databases that the fuzzer begins with: each kind, each size of pointer.
#
#   seeds.pl DIRECTORY

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::Gate::Countries;

my ($dir) = @ARGV or die "usage: $0 DIRECTORY\n";

my %kinds = (
    country => { country => { iso_code => 'JP' },
                 continent => { code => 'AS' } },
    city    => { city => { names => { en => 'Tokyo' } },
                 location => { latitude => 35.7, longitude => 139.7,
                               accuracy_radius => 20 } },
    asn     => { autonomous_system_number => 2497 },
    anonymous => { is_anonymous => 1, is_tor_exit_node => 1 },
    ipinfo  => { country_code => 'JP', lat => '35.7', lng => '139.7',
                 asn => 'AS2497', vpn => 'true' },
);

for my $kind (sort keys %kinds) {
    for my $bits (24, 28, 32) {
        Test::Gate::Countries::database("$dir/$kind.$bits",
            ip_version => $bits == 32 ? 4 : 6, record_size => $bits,
            networks => { '0.0.0.0/1' => $kinds{$kind},
                          '204.0.0.0/6' => $kinds{$kind} });
    }
}
